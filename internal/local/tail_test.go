package local

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
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
