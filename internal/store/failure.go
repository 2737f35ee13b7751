package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/openintegrationhub/leat/internal/message"
)

// ErrNotFound says that there's no error with that id.
var ErrNotFound = errors.New("no such error")

// Source is what told of an error. One failure of a step usually comes from two: its report, and the dead letter, which is the message to
// try again (contract.md 2.4).
type Source int64

// Sources, as bits.
const (
	Report     Source = 1 << iota // the step's error message
	DeadLetter                    // the message that the step gave up
	Unroutable                    // a message that no queue took
)

// State tells what has become of an error.
type State string

// States of an error.
const (
	Open      State = "open"
	Replayed  State = "replayed"  // the message is on its way again; if it fails again, the error is open again
	Discarded State = "discarded" // somebody doesn't want it processed
)

// Failure is what one source tells of an error.
type Failure struct {
	Source    Source
	Namespace string
	Flow      string
	Step      string // that failed
	Execution string
	Message   string // id of the message that the step worked on; "" for errors at its start
	Time      time.Time
	Reason    string          // one line
	Stack     string          // "" if unknown
	Headers   message.Headers // AMQP headers of the message; nil if unknown
	Input     []byte          // the message, decrypted where it could be; nil if unknown
}

// Error is an entry of the list of errors.
type Error struct {
	ID        int64
	Namespace string
	Flow      string
	Step      string
	Execution string
	Message   string
	State     State
	Times     int // how often it has failed, replays included
	First     time.Time
	Last      time.Time
	Reason    string
	Stack     string          // only of Get
	Headers   message.Headers // only of Get; numbers in it are float64
	Input     []byte          // only of Get
	Bytes     int             // of Input
}

// reasonMax and stackMax bound what a step may say, in bytes.
const (
	reasonMax = 4 << 10
	stackMax  = 64 << 10
)

// Record adds what a source tells, and returns the id of the error. What is about the same message of the same step becomes one entry,
// in whatever order it comes: the report's reason and stack, the dead letter's headers and input. Messages with the same id and other bodies
// stay apart (contract.md section 8, 2). Recording the same thing twice does no harm, but for the count.
func (s *Store) Record(ctx context.Context, f Failure) (int64, error) {
	db, err := s.open(ctx)
	if err != nil {
		return 0, err
	}
	f.Reason, f.Stack = clean(f.Reason, reasonMax), clean(f.Stack, stackMax)
	f.Execution, f.Message, f.Step = clean(f.Execution, 255), clean(f.Message, 255), clean(f.Step, 255)
	mark := fingerprint(f.Input)
	var id int64
	err = s.transaction(ctx, db, "error/"+f.Namespace+"/"+f.Flow+"/"+f.Step+"/"+f.Message, func(tx *sql.Tx) error {
		known, err := s.find(ctx, tx, f, mark)
		switch {
		case err != nil:
			return err
		case known == nil:
			id, err = s.insert(ctx, tx, f, mark)
			return err
		}
		id = known.id
		return s.merge(ctx, tx, known, f, mark)
	})
	if err != nil {
		return 0, fmt.Errorf("record error of step %q: %w", f.Step, err)
	}
	return id, s.maybePrune(ctx)
}

// known is what decides how another source's news are merged into an entry.
type known struct {
	id          int64
	state       State
	seen        Source
	times       int
	hasInput    bool
	fingerprint string
}

// find returns the entry that f is about, nil if there's none: that of the same message, if need be one that doesn't know its body yet. A
// source that doesn't know it means the newest.
func (s *Store) find(ctx context.Context, tx *sql.Tx, f Failure, mark string) (*known, error) {
	if f.Message == "" {
		return nil, nil
	}
	const query = "SELECT id, state, seen, times, input_bytes > 0, fingerprint FROM errors" +
		" WHERE namespace = $1 AND flow = $2 AND step = $3 AND message = $4 ORDER BY id"
	rows, err := tx.QueryContext(ctx, s.text(query), f.Namespace, f.Flow, f.Step, f.Message)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var same, other *known
	for rows.Next() {
		k := new(known)
		if err := rows.Scan(&k.id, &k.state, &k.seen, &k.times, &k.hasInput, &k.fingerprint); err != nil {
			return nil, err
		}
		switch {
		case k.fingerprint == mark:
			same = k
		case k.fingerprint == "" || mark == "":
			other = k
		}
	}
	if same == nil {
		same = other
	}
	return same, rows.Err()
}

// fingerprint tells messages apart by their bodies, however those are written; "" if there's none.
func fingerprint(input []byte) string {
	if len(input) == 0 {
		return ""
	}
	var m struct{ Body, Data any } // ferryman has data in place of body
	if err := json.Unmarshal(input, &m); err == nil && (m.Body != nil || m.Data != nil) {
		if text, err := json.Marshal(m); err == nil {
			input = text
		}
	}
	sum := sha256.Sum256(input)
	return hex.EncodeToString(sum[:16])
}

func (s *Store) insert(ctx context.Context, tx *sql.Tx, f Failure, mark string) (id int64, err error) {
	headers, err := encodeHeaders(f.Headers)
	if err != nil {
		return 0, err
	}
	const query = "INSERT INTO errors (namespace, flow, step, execution, message, state, seen, times, first_at, last_at, reason, stack, headers, input, input_bytes, fingerprint)" +
		" VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $8, $9, $10, $11, $12, $13, $14) RETURNING id"
	err = tx.QueryRowContext(ctx, s.text(query), f.Namespace, f.Flow, f.Step, f.Execution, f.Message, string(Open), int64(f.Source), f.Time.UnixMilli(),
		f.Reason, f.Stack, headers, notNil(f.Input), len(f.Input), mark).Scan(&id)
	return id, err
}

// merge adds what f tells to an entry.
func (s *Store) merge(ctx context.Context, tx *sql.Tx, k *known, f Failure, mark string) error {
	again := k.seen&f.Source != 0 || k.state == Replayed // the same source again: the message has failed again
	if again {
		k.seen, k.state = 0, Open
		k.times++
	}
	set := []string{"state = $2", "seen = $3", "times = $4", "last_at = CASE WHEN last_at > $5 THEN last_at ELSE $5 END"}
	args := []any{k.id, string(k.state), int64(k.seen | f.Source), k.times, f.Time.UnixMilli()}
	add := func(column string, value any) {
		args = append(args, value)
		set = append(set, fmt.Sprintf("%s = $%d", column, len(args)))
	}
	if f.Reason != "" && (f.Source == Report || k.seen&Report == 0) { // a dead letter just knows that it was rejected
		add("reason", f.Reason)
	}
	if f.Stack != "" {
		add("stack", f.Stack)
	}
	if f.Execution != "" {
		add("execution", f.Execution)
	}
	if f.Headers != nil && f.Source != Report { // a report's headers aren't the message's
		headers, err := encodeHeaders(f.Headers)
		if err != nil {
			return err
		}
		add("headers", headers)
	}
	if len(f.Input) > 0 && (f.Source != Report || !k.hasInput) {
		add("input", f.Input)
		add("input_bytes", len(f.Input))
	}
	if mark != "" && k.fingerprint == "" {
		add("fingerprint", mark)
	}
	_, err := tx.ExecContext(ctx, s.text("UPDATE errors SET "+strings.Join(set, ", ")+" WHERE id = $1"), args...)
	return err
}

// encodeHeaders writes headers as JSON. Headers of a message are what its sender likes; a value without a JSON form becomes text.
func encodeHeaders(h message.Headers) ([]byte, error) {
	if h == nil {
		return []byte{}, nil
	}
	if text, err := json.Marshal(h); err == nil {
		return text, nil
	}
	plain := make(message.Headers, len(h))
	for name, value := range h {
		if _, err := json.Marshal(value); err != nil { // such as NaN
			value = fmt.Sprint(value)
		}
		plain[name] = value
	}
	text, err := json.Marshal(plain)
	if err != nil {
		return nil, fmt.Errorf("encode headers: %w", err)
	}
	return text, nil
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// clean makes a text that every database takes: valid UTF-8 without NUL, of at most bytesMax bytes.
func clean(s string, bytesMax int) string {
	if len(s) > bytesMax {
		s = s[:bytesMax]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
}
