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
