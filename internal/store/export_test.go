package store

import "context"

// Exec changes the database behind the store's back.
func (s *Store) Exec(ctx context.Context, query string) error {
	db, err := s.open(ctx)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, query)
	return err
}

// Count counts the rows of a table.
func (s *Store) Count(ctx context.Context, table string) (n int, err error) {
	db, err := s.open(ctx)
	if err != nil {
		return 0, err
	}
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&n)
	return n, err
}
