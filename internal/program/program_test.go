package program_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/openintegrationhub/leat/internal/program"
)

// failing is a command that ends with an error.
type failing struct{ err error }

func (f *failing) Run(context.Context, program.Streams) error { return f.err }

func TestExitCodesTellWhoseMistakeItWas(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		code int
		text string
	}{
		"none":                {nil, 0, ""},
		"the program's":       {errors.New("disk full"), 1, "leat: disk full\n"},
		"the user's":          {program.Wrong(errors.New("no such flow")), 2, "no such flow\n"},
		"the user's, in more": {fmt.Errorf("read flow.json: %w", program.Wrong(errors.New("no such flow"))), 2, "read flow.json: no such flow\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var commands struct {
				Fail failing `cmd:""`
			}
			commands.Fail.err = test.err
			var out, errs strings.Builder
			p := program.Program{Name: "leat", Commands: &commands}
			code := p.Run(t.Context(), []string{"fail"}, program.Streams{Out: &out, Err: &errs})
			if code != test.code || errs.String() != test.text || out.Len() > 0 {
				t.Errorf("code %d, %q, want %d, %q; output %q", code, errs.String(), test.code, test.text, out.String())
			}
		})
	}
}
