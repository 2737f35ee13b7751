package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Filter chooses errors. Empty fields don't matter.
type Filter struct {
	Namespace string
	Flow      string
	Step      string
	Execution string
	State     State
	Times     int // just those that failed so often
	IDs       []int64
	Before    int64 // ids below it, to go on where an earlier list ended
	Limit     int   // default 100 for lists, none for changes
}

const columns = "id, namespace, flow, step, execution, message, state, times, first_at, last_at, reason, input_bytes"

// Errors lists errors, the newest first, without their stacks, headers and inputs.
func (s *Store) Errors(ctx context.Context, f Filter) ([]Error, error) {
	db, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	where, args := f.where()
	query := fmt.Sprintf("SELECT %s FROM errors%s ORDER BY id DESC LIMIT %d", columns, where, f.Limit)
	rows, err := db.QueryContext(ctx, s.text(query), args...)
	if err != nil {
		return nil, fmt.Errorf("list errors: %w", err)
	}
	defer rows.Close()
	var all []Error
	for rows.Next() {
		var e Error
		if err := e.scan(rows.Scan); err != nil {
			return nil, fmt.Errorf("list errors: %w", err)
		}
		all = append(all, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list errors: %w", err)
	}
	return all, nil
}

// Error returns an error with all that's known of it, or ErrNotFound.
func (s *Store) Error(ctx context.Context, id int64) (Error, error) {
	db, err := s.open(ctx)
	if err != nil {
		return Error{}, err
	}
	var e Error
	var headers []byte
	row := db.QueryRowContext(ctx, s.text("SELECT "+columns+", stack, headers, input FROM errors WHERE id = $1"), id)
	err = e.scan(row.Scan, &e.Stack, &headers, &e.Input)
	if errors.Is(err, sql.ErrNoRows) {
		return Error{}, ErrNotFound
	}
	if err == nil && len(headers) > 0 {
		err = json.Unmarshal(headers, &e.Headers)
	}
	if err != nil {
		return Error{}, fmt.Errorf("read error %d: %w", id, err)
	}
	return e, nil
}

func (e *Error) scan(scan func(...any) error, more ...any) error {
	var first, last int64
	err := scan(append([]any{&e.ID, &e.Namespace, &e.Flow, &e.Step, &e.Execution, &e.Message, &e.State, &e.Times, &first, &last, &e.Reason, &e.Bytes}, more...)...)
	e.First, e.Last = time.UnixMilli(first).UTC(), time.UnixMilli(last).UTC()
	return err
}

// SetState changes the state of all errors that match, and returns how many it changed. To replay a message, send it and wait for
// the broker's confirm first, and mark it then: what happens twice does less harm than what doesn't happen.
func (s *Store) SetState(ctx context.Context, f Filter, state State) (int, error) {
	db, err := s.open(ctx)
	if err != nil {
		return 0, err
	}
	where, args := f.where()
	args = append(args, string(state))
	query := fmt.Sprintf("UPDATE errors SET state = $%d", len(args))
	if state == Replayed { // what failed before says nothing about this try
		query += ", seen = 0"
	}
	if f.Limit > 0 {
		where = fmt.Sprintf(" WHERE id IN (SELECT id FROM errors%s ORDER BY id DESC LIMIT %d)", where, f.Limit)
	}
	result, err := db.ExecContext(ctx, s.text(query+where), args...)
	if err != nil {
		return 0, fmt.Errorf("set state of errors: %w", err)
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// where is the condition of a query, and its arguments.
func (f Filter) where() (string, []any) {
	var terms []string
	var args []any
	add := func(term string, value any) {
		args = append(args, value)
		terms = append(terms, fmt.Sprintf(term, len(args)))
	}
	for _, t := range []struct{ column, value string }{
		{"namespace", f.Namespace}, {"flow", f.Flow}, {"step", f.Step}, {"execution", f.Execution}, {"state", string(f.State)},
	} {
		if t.value != "" {
			add(t.column+" = $%d", t.value)
		}
	}
	if f.Times > 0 {
		add("times = $%d", f.Times)
	}
	if f.Before > 0 {
		add("id < $%d", f.Before)
	}
	if len(f.IDs) > 0 {
		list := make([]string, len(f.IDs))
		for i, id := range f.IDs {
			list[i] = fmt.Sprint(id)
		}
		terms = append(terms, "id IN ("+strings.Join(list, ", ")+")")
	}
	if len(terms) == 0 {
		return "", args
	}
	return " WHERE " + strings.Join(terms, " AND "), args
}
