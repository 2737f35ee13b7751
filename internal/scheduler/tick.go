package scheduler

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/message"
	"github.com/openintegrationhub/leat/internal/topology"
)

// HeaderSchedule is the AMQP header with the schedule that asked for a tick, flow.Schedule's String. It stands beside topology.TickHeader, the
// tick's scheduled time. Both end at the first step, since libraries hand on no header that they don't know.
const HeaderSchedule = "tickSchedule"

// tickSpace is the name space of the ids of ticks (RFC 9562 section 5.5), a random UUID.
var tickSpace = uuid.UUID{0x3d, 0x1f, 0x9c, 0x52, 0x7a, 0x84, 0x4e, 0x0b, 0x9d, 0x66, 0x21, 0xe8, 0x05, 0xb7, 0xfa, 0x13}

// publishing makes the tick of f for the scheduled time at (contract.md 3.3). All its ids follow from flow and time: a tick that is sent again,
// because nobody knows whether the broker took it, is the same message.
func (f *state) publishing(at time.Time) (amqp.Publishing, error) {
	text := at.UTC().Format(time.RFC3339Nano)
	id := func(what string) string {
		return uuid.NewSHA1(tickSpace, []byte(f.entry.Namespace+"/"+f.entry.Flow+"/"+text+"/"+what)).String()
	}
	execution := id("execution")
	m := message.Message{ID: id("envelope")} // not the message's id: see contract.md 3.3
	plain, err := m.Encode()
	if err != nil {
		return amqp.Publishing{}, err
	}
	return amqp.Publishing{
		Exchange: f.entry.Exchange,
		Key:      f.entry.TickKey,
		Headers: message.Headers{
			message.HeaderTaskID:    f.entry.Flow,
			message.HeaderUserID:    f.entry.UserID,
			message.HeaderExecID:    strings.ReplaceAll(execution, "-", ""),
			message.HeaderMessageID: id("message"),
			message.HeaderThreadID:  execution,
			message.HeaderTraceID:   execution,
			topology.TickHeader:     text,
			HeaderSchedule:          f.entry.Schedule.String(),
		},
		Body: f.cipher.Encrypt(plain),
	}, nil
}
