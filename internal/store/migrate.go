package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

// migrations are numbered from 1 in the order of their names. One that was released is never changed.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrate runs the migrations that the database hasn't seen. All of them, or none.
func (s *Store) migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	if version, err := schemaVersion(ctx, db); err == nil && version == len(files) {
		return nil // as on all starts but the first: no need to write
	}
	return s.transaction(ctx, db, "migrate", func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)"); err != nil {
			return fmt.Errorf("create schema_version: %w", err)
		}
		version, err := schemaVersion(ctx, tx)
		if err != nil {
			return err
		}
		if version > len(files) {
			return fmt.Errorf("its tables are of version %d, this program knows %d: use a newer one", version, len(files))
		}
		for _, name := range files[version:] {
			text, err := migrations.ReadFile(name)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, s.types().Replace(string(text))); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM schema_version"); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, s.text("INSERT INTO schema_version (version) VALUES ($1)"), len(files))
		return err
	})
}

func schemaVersion(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (version int, err error) {
	err = db.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM schema_version").Scan(&version)
	return version, err
}

func (s *Store) types() *strings.Replacer {
	if s.postgres {
		return strings.NewReplacer("{bytes}", "BYTEA", "{serial}", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
	}
	return strings.NewReplacer("{bytes}", "BLOB", "{serial}", "INTEGER PRIMARY KEY AUTOINCREMENT")
}
