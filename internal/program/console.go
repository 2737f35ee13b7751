package program

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
)

// console is a slog.Handler for a person: time, flow/step, what happened, then the rest as key=value. Keys that say nothing to a reader of
// `leat run` are left to the JSON log.
type console struct {
	mu    *sync.Mutex // guards out
	out   io.Writer
	level slog.Level
	attrs []slog.Attr
}

// NewConsole returns a log for a person to read.
func NewConsole(out io.Writer, level slog.Level) slog.Handler {
	return &console{mu: new(sync.Mutex), out: out, level: level}
}

func (c *console) Enabled(_ context.Context, level slog.Level) bool { return level >= c.level }

func (c *console) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *c
	with.attrs = append(c.attrs[:len(c.attrs):len(c.attrs)], attrs...)
	return &with
}

func (c *console) WithGroup(string) slog.Handler { return c }

func (c *console) Handle(_ context.Context, r slog.Record) error {
	var flow, step, output string
	var rest strings.Builder
	add := func(a slog.Attr) bool {
		value := Relative(a.Value.Resolve().String())
		switch a.Key {
		case "flow":
			flow = value
		case "step":
			step = "/" + value
		case "output":
			output = "| "
		case "steps", "err":
			rest.WriteString(": " + value)
		case "again":
			rest.WriteString(", again in " + value)
		case "execution": // a person has no use for it, and it's long
		default:
			if strings.ContainsAny(value, " \"\n") {
				value = fmt.Sprintf("%q", value)
			}
			rest.WriteString(" " + a.Key + "=" + value)
		}
		return true
	}
	for _, a := range c.attrs {
		add(a)
	}
	r.Attrs(add)
	level := ""
	switch {
	case r.Level >= slog.LevelError:
		level = "ERROR "
	case r.Level >= slog.LevelWarn:
		level = "WARNING "
	}
	where := flow + step
	if where != "" {
		where += "  "
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := fmt.Fprintf(c.out, "%s  %s%s%s%s%s\n", r.Time.Format("15:04:05"), where, level, output, r.Message, rest.String())
	return err
}

// Relative shortens a path below the working folder for reading; everything else stays as it is.
func Relative(path string) string {
	if !filepath.IsAbs(path) {
		return path
	}
	here, err := filepath.Abs(".")
	if err != nil {
		return path
	}
	short, err := filepath.Rel(here, path)
	if err != nil || strings.HasPrefix(short, "..") {
		return path
	}
	return short
}
