package local

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOutputOfNodeComponentsIsShownAsAPersonReadsIt(t *testing.T) {
	tests := map[string]string{
		`plain text`: `level=INFO msg="plain text"`,
		`{"name":"sailor","level":30,"msg":"started","v":0}`:                                 `level=INFO msg=started`,
		`{"name":"sailor","level":40,"msg":"slow"}`:                                          `level=WARN msg=slow`,
		`{"name":"sailor","level":50,"msg":"failed","err":{"message":"boom","stack":"..."}}`: `level=ERROR msg="failed: boom"`,
		`{"name":"sailor","level":20,"msg":"detail"}`:                                        `level=DEBUG msg=detail`,
		`{"some":"json of the component's own"}`:                                             `level=INFO msg="{\"some\":\"json of the component's own\"}"`,
	}
	for line, want := range tests {
		var out bytes.Buffer
		handler := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})
		tail := tail{logger: slog.New(handler)}
		tail.read(strings.NewReader(line + "\n"))
		if got := strings.TrimSuffix(strings.TrimSpace(out.String()), " output=true"); got != want {
			t.Errorf("%s\n got %s\nwant %s", line, got, want)
		}
	}
}

func TestTheEndOfTheOutputIsKeptWithTheFailure(t *testing.T) {
	var text strings.Builder
	for range 30 {
		text.WriteString("early\n")
	}
	text.WriteString(`{"level":50,"msg":"failed","err":{"message":"boom","stack":"Error: boom\n    at here.js:1"}}` + "\n" + strings.Repeat("x", 3000) + "\n")
	tail := tail{logger: slog.New(slog.DiscardHandler)}
	tail.read(strings.NewReader(text.String()))
	got := strings.Split(tail.report(errors.New("exit status 1")).Error(), "\n")
	if len(got) != 1+linesKept || got[0] != "process ended: exit status 1" {
		t.Fatalf("%d lines, the first %q; want %d", len(got), got[0], 1+linesKept)
	}
	want := []string{"  early", "  failed: boom", "  Error: boom", "      at here.js:1", "  " + strings.Repeat("x", keptBytes) + "..."}
	if diff := cmp.Diff(want, got[len(got)-len(want):]); diff != "" {
		t.Errorf("last lines (-want +got):\n%s", diff)
	}
}
