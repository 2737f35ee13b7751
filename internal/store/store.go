// Package store keeps what must be looked up later: documents of steps, such as snapshots, and the list of errors. It's a SQLite file by
// default, or a PostgreSQL database; one suite holds both to the same behaviour.
//
// Only the api service opens the store. The other parts reach what's in it through that.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	_ "modernc.org/sqlite"             // driver "sqlite"
)

// Options of a Store.
type Options struct {
	// Database is a path of a SQLite file, whose folder exists, or the URL of a PostgreSQL database (postgres://...). Required.
	Database string
	Logger   *slog.Logger     // required
	Now      func() time.Time // default time.Now

	// Bounds of the list of errors. Those that were replayed or discarded go when they're older than ErrorsAge, default 30 days. Open ones
	// are only given up, the oldest first and with a warning in the log, when there are more than ErrorsMax, default 100,000, or when their
	// inputs have more than ErrorsBytesMax, default 2 GiB.
	ErrorsAge      time.Duration
	ErrorsMax      int
	ErrorsBytesMax int64

	// Bounds of objects: how long one is kept at most, default 7 days, and how many bytes they have together, default 10 GiB.
	ObjectsAge      time.Duration
	ObjectsBytesMax int64
}

// DefaultOptions returns what an empty Options means. Database and Logger remain to be set.
func DefaultOptions() Options {
	return Options{
		Now: time.Now, ErrorsAge: 30 * 24 * time.Hour, ErrorsMax: 100_000, ErrorsBytesMax: 2 << 30,
		ObjectsAge: 7 * 24 * time.Hour, ObjectsBytesMax: 10 << 30,
	}
}

func (o *Options) validate() error {
	d := DefaultOptions()
	if o.Now == nil {
		o.Now = d.Now
	}
	if o.ErrorsAge == 0 {
		o.ErrorsAge = d.ErrorsAge
	}
	if o.ErrorsMax == 0 {
		o.ErrorsMax = d.ErrorsMax
	}
	if o.ErrorsBytesMax == 0 {
		o.ErrorsBytesMax = d.ErrorsBytesMax
	}
	if o.ObjectsAge == 0 {
		o.ObjectsAge = d.ObjectsAge
	}
	if o.ObjectsBytesMax == 0 {
		o.ObjectsBytesMax = d.ObjectsBytesMax
	}
	switch {
	case o.Database == "":
		return errors.New("store options: Database: missing")
	case o.Logger == nil:
		return errors.New("store options: Logger: missing")
	case o.ErrorsAge < 0, o.ErrorsMax < 0, o.ErrorsBytesMax < 0:
		return errors.New("store options: ErrorsAge, ErrorsMax or ErrorsBytesMax: negative")
	case o.ObjectsAge < 0, o.ObjectsBytesMax < 0:
		return errors.New("store options: ObjectsAge or ObjectsBytesMax: negative")
	}
	return nil
}

// Store is the database. It's opened by the first call that needs it, so that a process which never does pays nothing. It's safe for
// concurrent use, and any number of processes may share one PostgreSQL database.
type Store struct {
	opts     Options
	postgres bool

	mu       sync.Mutex // guards those below
	db       *sql.DB    // nil until it's needed
	closed   bool
	recorded int       // errors since the last Prune
	expired  time.Time // when objects were looked through last
}

// New returns a store that isn't opened yet.
func New(opts Options) (*Store, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	scheme, _, isURL := strings.Cut(opts.Database, "://")
	switch {
	case !isURL:
	case scheme != "postgres" && scheme != "postgresql":
		return nil, fmt.Errorf("store options: Database: unknown kind %q: use a file or postgres://", scheme)
	default:
		if _, err := url.Parse(opts.Database); err != nil {
			return nil, errors.New("store options: Database: not a valid URL") // the error would hold its password
		}
	}
	return &Store{opts: opts, postgres: isURL}, nil
}

// Open opens the database if it isn't yet, and brings its tables up to date.
func (s *Store) Open(ctx context.Context) error {
	_, err := s.open(ctx)
	return err
}

// Close closes the database.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.db == nil {
		return nil
	}
	db := s.db
	s.db = nil
	return db.Close()
}

func (s *Store) open(ctx context.Context) (*sql.DB, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("open store: it's closed")
	}
	if s.db != nil {
		return s.db, nil
	}
	db, err := s.connect()
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := s.migrate(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), db.Close())
	}
	s.db = db
	return db, nil
}

// connect prepares the pool. Both databases get few connections: the store isn't where messages pass through.
func (s *Store) connect() (*sql.DB, error) {
	if s.postgres {
		db, err := sql.Open("pgx", s.opts.Database)
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(8)
		db.SetMaxIdleConns(2)
		return db, nil
	}
	path, err := filepath.Abs(s.opts.Database)
	if err != nil {
		return nil, err
	}
	// Writers wait for each other rather than fail. What was written survives the end of the process and of the machine.
	query := url.Values{
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-1024)"},
		"_txlock": {"immediate"},
	}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(1)
	return db, nil
}

// text makes a query of the database at hand. Queries are written for PostgreSQL, with $1 for arguments.
func (s *Store) text(query string) string {
	if s.postgres {
		return query
	}
	return strings.ReplaceAll(query, "$", "?")
}

// transaction runs f in a transaction that has locked name against all other transactions with that name.
func (s *Store) transaction(ctx context.Context, db *sql.DB, name string, f func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	if s.postgres {     // SQLite has a single writer anyway
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "leat/"+name); err != nil {
			return fmt.Errorf("lock %s: %w", name, err)
		}
	}
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func (s *Store) now() int64 { return s.opts.Now().UnixMilli() }
