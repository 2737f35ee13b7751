package timer_test

import (
	"context"
	"fmt"
	"time"

	"github.com/openintegrationhub/leat/component/componenttest"
	"github.com/openintegrationhub/leat/components/timer"
)

func ExampleNew() {
	now := time.Date(2026, 11, 22, 16, 58, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	step, err := componenttest.New(timer.New(clock), componenttest.Options{Config: `{"interval":"hour"}`})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer step.Stop()
	for range 4 { // a tick each minute
		for _, m := range step.ProcessContext(context.Background(), componenttest.Message(`{}`)).Messages {
			fmt.Println(string(m.Body))
		}
		now = now.Add(time.Minute)
	}
	// Output:
	// {"fireTime":"2026-11-22T16:58:00.000Z","lastPoll":"1970-01-01T00:00:00.000Z"}
	// {"fireTime":"2026-11-22T17:00:00.000Z","lastPoll":"2026-11-22T16:58:00.000Z"}
}
