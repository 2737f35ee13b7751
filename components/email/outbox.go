package email

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// outbox is a folder that gets each mail as a file, for places without a mail server:
//
//	20261122T160102.123456Z-example-flow-3fe0a0c8.eml
//
// The name has the time (UTC), the flow and the begin of the message's id. Names sort by time, and those of one step never repeat. What has
// the ending .eml is always a whole mail. A Bcc header, which a sent mail doesn't have, says who else would get it.
type outbox struct {
	folder string

	mu   sync.Mutex
	last time.Time // of the newest name
}

const (
	partSuffix = ".eml.part" // of files that aren't whole yet
	partAgeMax = time.Hour   // an older one was left behind by a crash
)

// openOutbox creates the folder if it isn't there, and removes what crashes have left behind.
func openOutbox(folder string) (*outbox, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("create LEAT_OUTBOX: %w", err)
	}
	parts, err := filepath.Glob(filepath.Join(folder, "*"+partSuffix))
	if err != nil {
		return nil, fmt.Errorf("list LEAT_OUTBOX: %w", err)
	}
	for _, name := range parts {
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > partAgeMax {
			_ = os.Remove(name) // another step may have been faster
		}
	}
	return &outbox{folder: folder}, nil
}

func (o *outbox) close() {}

func (o *outbox) send(_ context.Context, m *mail) ([]result, error) {
	msg := m.mime(true)
	if len(m.bcc) > 0 {
		msg.SetGenHeader(gomail.Header("Bcc"), joined(m.bcc))
	}
	var source bytes.Buffer
	if _, err := msg.WriteTo(&source); err != nil {
		return nil, fmt.Errorf("encode it: %w", err)
	}
	if err := o.write(o.name(m), source.Bytes()); err != nil {
		return nil, fmt.Errorf("write to outbox: %w", err)
	}
	return m.outcome(outcomeOK, m.id), nil
}

// name returns a file name without its ending, later than any before.
func (o *outbox) name(m *mail) string {
	o.mu.Lock()
	at := m.date.UTC().Truncate(time.Microsecond)
	if !at.After(o.last) {
		at = o.last.Add(time.Microsecond)
	}
	o.last = at
	o.mu.Unlock()
	return at.Format("20060102T150405.000000Z") + "-" + plain(m.flow, 63) + "-" + plain(m.key, 8)
}

// plain returns the begin of s with what a file name shouldn't have replaced.
func plain(s string, bytesMax int) string {
	return strings.Map(func(c rune) rune {
		if c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			return c
		}
		return '_'
	}, s[:min(len(s), bytesMax)])
}

// write makes a file appear as a whole, and returns when file and name will survive a loss of power. One sync after the rename does for
// both, where it would take a second one for the folder before it: the rename is a change of the file too, and the journals of ext4, XFS and
// btrfs keep both changes together. A loss of power in between may leave a mail of which parts are missing, and its message comes again.
func (o *outbox) write(name string, content []byte) error {
	part := filepath.Join(o.folder, name+partSuffix)
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		_ = os.Remove(part)
		return err
	}
	if err := os.Rename(part, filepath.Join(o.folder, name+".eml")); err != nil {
		_ = os.Remove(part)
		return err
	}
	return f.Sync()
}
