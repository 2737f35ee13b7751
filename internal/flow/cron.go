package flow

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/netresearch/go-cron"
)

// cronField is a field of a cron expression, for messages.
type cronField struct{ name, allowed string }

// cronFields lists the fields of the long form in order. The short form lacks the first.
func cronFields() []cronField {
	return []cronField{
		{"second", "0 to 59"},
		{"minute", "0 to 59"},
		{"hour", "0 to 23"},
		{"day of month", "1 to 31"},
		{"month", "1 to 12 or jan to dec"},
		{"day of week", "0 to 7 or sun to sat"},
	}
}

// readCron reads a cron expression, and says which field is wrong.
func readCron(expression string) (*cron.SpecSchedule, error) {
	parser, err := cron.TryNewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow |
		cron.Descriptor | cron.DowOrDom)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(expression, "TZ=") || strings.HasPrefix(expression, "CRON_TZ=") {
		return nil, errors.New("the time zone has its own field, timeZone")
	}
	s, err := parser.WithMaxSearchYears(10).Parse(expression)
	if err == nil {
		if clock, ok := s.(*cron.SpecSchedule); ok {
			clock.Location = time.UTC
			return clock, nil
		}
	}
	if strings.HasPrefix(expression, "@") {
		return nil, errors.New("expected @hourly, @daily, @weekly, @monthly, @yearly or such as @every 90s")
	}
	fields, names := strings.Fields(expression), cronFields()
	if len(fields) != 5 && len(fields) != 6 {
		return nil, fmt.Errorf("expected 5 fields (minute, hour, day of month, month, day of week) or 6 (second first), found %d", len(fields))
	}
	names = names[len(names)-len(fields):]
	for i, f := range fields {
		alone := strings.Fields("* * * * * *")[:len(fields)]
		alone[i] = f
		if _, err := parser.Parse(strings.Join(alone, " ")); err != nil {
			return nil, fmt.Errorf("%s %q must be %s, or such as *, 1-5, */2 and 1,3", names[i].name, shorten(f), names[i].allowed)
		}
	}
	return nil, err
}
