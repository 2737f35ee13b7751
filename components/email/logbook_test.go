package email_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/openintegrationhub/leat/component/componenttest"
	"github.com/openintegrationhub/leat/components/email"
)

func TestWithoutAMailServerAMailCanGoToTheLog(t *testing.T) {
	var log bytes.Buffer
	step := componenttest.Open(t, email.New(time.Now), componenttest.Options{
		Env:    map[string]string{"LEAT_OUTBOX": "-", "MANDRILL_API_KEY": "REPLACE_WITH_YOUR_KEY"},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	got := step.Process(t, message(`{"to":"a@example.com","subject":"Hello","textBody":"It works"}`))
	if r := results(t, got); r[0]["Message"] != "OK" {
		t.Errorf("result: got %v", r[0])
	}
	for _, want := range []string{"a@example.com", "subject=Hello", `text="It works"`, "not sent"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, log.String())
		}
	}
}
