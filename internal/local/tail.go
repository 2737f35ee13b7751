package local

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

const (
	linesKept = 20 // of a process's output, for the report of its failure
	lineBytes = 64 << 10
	keptBytes = 2 << 10 // of each line kept
)

// tail logs a process's output line by line and keeps the end of it.
type tail struct {
	logger *slog.Logger
	lines  []string
}

func (t *tail) read(r io.Reader) {
	lines := bufio.NewReaderSize(r, lineBytes)
	for {
		line, err := lines.ReadSlice('\n') // a longer line comes in pieces
		if text := strings.TrimRight(string(line), "\r\n"); text != "" {
			t.take(text)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// take logs a line and keeps it. Node components write bunyan's JSON, most of it the same in each line: of these just the message is shown,
// at its own level, and the stack is kept.
func (t *tail) take(text string) {
	level, stack := slog.LevelInfo, ""
	if strings.HasPrefix(text, "{") {
		var line bunyan
		if json.Unmarshal([]byte(text), &line) == nil && line.Level > 0 && cmp.Or(line.Message, line.Error.Message) != "" {
			text, stack = line.text(), line.Error.Stack
			level = slog.Level((line.Level - 30) / 10 * 4) // slog's steps are 4
		}
	}
	t.logger.Log(context.Background(), level, text, "output", true)
	t.keep(text)
	if stack != "" {
		t.keep(stack)
	}
}

// bunyan is what matters of a line of that logger.
type bunyan struct {
	Level   int    `json:"level"` // 30 info, 40 warn, 50 error
	Message string `json:"msg"`
	Error   struct {
		Message string `json:"message"`
		Stack   string `json:"stack"`
	} `json:"err"`
}

func (b *bunyan) text() string {
	switch {
	case b.Message == "":
		return b.Error.Message
	case b.Error.Message != "" && !strings.Contains(b.Message, b.Error.Message):
		return b.Message + ": " + b.Error.Message
	}
	return b.Message
}

func (t *tail) keep(text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if len(line) > keptBytes {
			line = strings.ToValidUTF8(line[:keptBytes], "") + "..."
		}
		if len(t.lines) == linesKept {
			t.lines = t.lines[1:]
		}
		t.lines = append(t.lines, line)
	}
}

// report says how the process ended, with its last lines.
func (t *tail) report(err error) error {
	how := "exit status 0"
	if err != nil {
		how = err.Error()
	}
	if len(t.lines) == 0 {
		return fmt.Errorf("process ended: %s, without output", how)
	}
	return fmt.Errorf("process ended: %s\n  %s", how, strings.Join(t.lines, "\n  "))
}
