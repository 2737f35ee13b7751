package runner

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/openintegrationhub/leat/internal/message"
)

// Settings is what a step knows when it starts: the ELASTICIO_* variables of contract.md section 1, read.
type Settings struct {
	Flow, Step, Function              string
	Exec, User, Comp                  string
	Container, Workspace              string
	APIURI, APIUsername, APIKey       string
	AMQPURI                           string
	Queue, Exchange                   string
	DataKey, ErrorKey                 string
	ReboundKey, SnapshotKey           string
	Cipher                            *message.Cipher // nil: plain mode
	Prefetch                          int             // messages processed at the same time; default 1
	ReboundInitial                    time.Duration   // first delay, doubled each time; default 15 s
	ReboundLimit                      int             // default 20
	SizeMax                           int             // bytes of an outgoing message after encryption; default 10 MiB
	RateLimit                         int             // data messages emitted in a RateInterval; 0 for any number
	RateInterval                      time.Duration   // default 100 ms
	LastStep                          bool            // no step is behind this one: data messages needn't be sent
	NoErrorReplies, NoSelfPassthrough bool
	Getenv                            func(string) string
}

// Defaults of contract.md 1.2.
const (
	reboundInitialDefault = 15 * time.Second
	reboundLimitDefault   = 20
	sizeMaxDefault        = 10 << 20
)

// FromEnvironment reads the settings out of variables. It reports every mistake at once. As the libraries do, it takes the mere presence of
// a boolean variable as true (contract.md rule 7).
func FromEnvironment(getenv func(string) string) (Settings, error) {
	var mistakes []error
	required := func(name string) string {
		value := getenv("ELASTICIO_" + name)
		if value == "" {
			mistakes = append(mistakes, fmt.Errorf("environment variable ELASTICIO_%s is missing or empty", name))
		}
		return value
	}
	number := func(name string, normal int) int {
		text := getenv("ELASTICIO_" + name)
		if text == "" {
			return normal
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			mistakes = append(mistakes, fmt.Errorf("environment variable ELASTICIO_%s: expected a whole number, found %q", name, text))
		}
		if n == 0 {
			return normal
		}
		return n
	}
	s := Settings{
		Flow:              required("FLOW_ID"),
		Step:              required("STEP_ID"),
		Function:          required("FUNCTION"),
		Exec:              required("EXEC_ID"),
		User:              required("USER_ID"),
		Comp:              required("COMP_ID"),
		Container:         getenv("ELASTICIO_CONTAINER_ID"),
		Workspace:         getenv("ELASTICIO_WORKSPACE_ID"),
		APIURI:            required("API_URI"),
		APIUsername:       required("API_USERNAME"),
		APIKey:            required("API_KEY"),
		AMQPURI:           required("AMQP_URI"),
		Queue:             required("LISTEN_MESSAGES_ON"),
		Exchange:          required("PUBLISH_MESSAGES_TO"),
		DataKey:           required("DATA_ROUTING_KEY"),
		ErrorKey:          required("ERROR_ROUTING_KEY"),
		ReboundKey:        required("REBOUND_ROUTING_KEY"),
		SnapshotKey:       required("SNAPSHOT_ROUTING_KEY"),
		Prefetch:          number("RABBITMQ_PREFETCH_SAILOR", 1),
		ReboundInitial:    time.Duration(number("REBOUND_INITIAL_EXPIRATION", int(reboundInitialDefault.Milliseconds()))) * time.Millisecond,
		ReboundLimit:      number("REBOUND_LIMIT", reboundLimitDefault),
		SizeMax:           number("OUTGOING_MESSAGE_SIZE_LIMIT", sizeMaxDefault),
		RateLimit:         number("DATA_RATE_LIMIT", 0),
		RateInterval:      time.Duration(number("RATE_INTERVAL", 100)) * time.Millisecond,
		LastStep:          getenv("LEAT_LAST_STEP") != "",
		NoErrorReplies:    getenv("ELASTICIO_NO_ERROR_REPLIES") != "",
		NoSelfPassthrough: getenv("ELASTICIO_NO_SELF_PASSTRHOUGH") != "",
		Getenv:            getenv,
	}
	cipher, err := message.NewCipher(getenv("ELASTICIO_MESSAGE_CRYPTO_PASSWORD"), getenv("ELASTICIO_MESSAGE_CRYPTO_IV"))
	if err != nil {
		mistakes = append(mistakes, fmt.Errorf("environment variable ELASTICIO_MESSAGE_CRYPTO_IV: %w", err))
	}
	s.Cipher = cipher
	return s, errors.Join(mistakes...)
}
