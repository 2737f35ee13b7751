package store

import (
	"context"
	"database/sql"
	"fmt"
)

// pruneEvery is after how many recorded errors the list is cut to its bounds.
const pruneEvery = 256

func (s *Store) maybePrune(ctx context.Context) error {
	s.mu.Lock()
	s.recorded++
	due := s.recorded%pruneEvery == 0
	s.mu.Unlock()
	if !due {
		return nil
	}
	_, err := s.Prune(ctx)
	return err
}

// Prune cuts the list of errors to its bounds, see Options, and returns how many open errors it has given up. Record calls it now and then.
func (s *Store) Prune(ctx context.Context) (lost int, err error) {
	db, err := s.open(ctx)
	if err != nil {
		return 0, err
	}
	err = s.transaction(ctx, db, "prune", func(tx *sql.Tx) error {
		const old = "DELETE FROM errors WHERE state IN ('replayed', 'discarded') AND last_at < $1"
		if _, err := tx.ExecContext(ctx, s.text(old), s.opts.Now().Add(-s.opts.ErrorsAge).UnixMilli()); err != nil {
			return err
		}
		lost, err = s.cut(ctx, tx)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("prune errors: %w", err)
	}
	if lost > 0 {
		s.opts.Logger.Warn("list of errors is full: open errors were given up, the oldest first", "errors", lost)
	}
	return lost, nil
}

// cut deletes what is beyond the bounds in number and bytes: closed errors first, then the oldest. It returns how many were open.
func (s *Store) cut(ctx context.Context, tx *sql.Tx) (open int, err error) {
	var count, bytes int64
	if err := tx.QueryRowContext(ctx, "SELECT count(*), coalesce(sum(input_bytes), 0) FROM errors").Scan(&count, &bytes); err != nil {
		return 0, err
	}
	if count <= int64(s.opts.ErrorsMax) && bytes <= s.opts.ErrorsBytesMax {
		return 0, nil
	}
	// Beyond the bounds is all that follows once the rest, in the order in which it's worth keeping, fills them.
	const beyond = "SELECT id, state FROM (SELECT id, state, row_number() OVER worth AS place, sum(input_bytes) OVER worth AS bytes FROM errors" +
		" WINDOW worth AS (ORDER BY CASE state WHEN 'open' THEN 0 ELSE 1 END, id DESC)) AS list WHERE place > $1 OR bytes > $2"
	rows, err := tx.QueryContext(ctx, s.text(beyond), s.opts.ErrorsMax, s.opts.ErrorsBytesMax)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		var state State
		if err := rows.Scan(&id, &state); err != nil {
			return 0, err
		}
		if state == Open {
			open++
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	for _, id := range ids {
		if _, err := tx.ExecContext(ctx, s.text("DELETE FROM errors WHERE id = $1"), id); err != nil {
			return 0, err
		}
	}
	return open, nil
}
