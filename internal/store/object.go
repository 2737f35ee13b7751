package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"
)

// Errors of objects.
var (
	// ErrNoObject says that there's no object with that id, or none any more.
	ErrNoObject = errors.New("no such object")
	// ErrObjectsFull says that the bound of all objects together is reached, see Options.
	ErrObjectsFull = errors.New("object storage is full")
)

// Object is a file of a component.
type Object struct {
	ID          string
	Namespace   string
	Flow        string
	Step        string // that stored it
	ContentType string
	Bytes       int64     // set by PutObject
	Created     time.Time // set by PutObject
	Expires     time.Time // when it goes; zero for the longest that is possible
}

const (
	chunkBytes   = 256 << 10
	uploadMax    = 24 * time.Hour // what wasn't finished by then never will be
	objectsEvery = 10 * time.Minute
)

// PutObject stores all that r gives, in place of an object with that id. Others see it when it's whole; an error of r, which is returned as it
// is, stores nothing. No more than 256 KiB are in memory at a time.
func (s *Store) PutObject(ctx context.Context, o Object, r io.Reader) (Object, error) {
	db, err := s.open(ctx)
	if err != nil {
		return Object{}, err
	}
	if err := s.expireObjects(ctx, db); err != nil {
		return Object{}, err
	}
	var used int64
	if err := db.QueryRowContext(ctx, "SELECT coalesce(sum(bytes), 0) FROM objects").Scan(&used); err != nil {
		return Object{}, fmt.Errorf("store object: %w", err)
	}
	upload := rand.Text()
	o.Bytes, err = s.writeChunks(ctx, db, upload, r, s.opts.ObjectsBytesMax-used)
	if err == nil {
		o.Created = s.opts.Now()
		if latest := o.Created.Add(s.opts.ObjectsAge); o.Expires.IsZero() || o.Expires.After(latest) {
			o.Expires = latest
		}
		err = s.finishUpload(ctx, db, o, upload)
	}
	if err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_, left := db.ExecContext(ctx, s.text("DELETE FROM object_chunks WHERE upload = $1"), upload)
		return Object{}, errors.Join(err, left)
	}
	return o, nil
}

// writeChunks writes each chunk by itself, so that a slow sender keeps nobody from writing.
func (s *Store) writeChunks(ctx context.Context, db *sql.DB, upload string, r io.Reader, bytesMax int64) (bytes int64, err error) {
	buffer := make([]byte, chunkBytes)
	for position := 0; ; position++ {
		n, end := io.ReadFull(r, buffer)
		if end != nil && end != io.EOF && end != io.ErrUnexpectedEOF {
			return 0, end
		}
		if bytes += int64(n); bytes > bytesMax {
			return 0, ErrObjectsFull
		}
		if n > 0 {
			const query = "INSERT INTO object_chunks (upload, position, data, created_at) VALUES ($1, $2, $3, $4)"
			if _, err := db.ExecContext(ctx, s.text(query), upload, position, buffer[:n], s.now()); err != nil {
				return 0, fmt.Errorf("store object: %w", err)
			}
		}
		if end != nil {
			return bytes, nil
		}
	}
}

// finishUpload makes the object visible.
func (s *Store) finishUpload(ctx context.Context, db *sql.DB, o Object, upload string) error {
	err := s.transaction(ctx, db, "object/"+o.ID, func(tx *sql.Tx) error {
		const before = "DELETE FROM object_chunks WHERE upload = (SELECT upload FROM objects WHERE id = $1)"
		if _, err := tx.ExecContext(ctx, s.text(before), o.ID); err != nil {
			return err
		}
		const put = "INSERT INTO objects (id, namespace, flow, step, content_type, bytes, upload, created_at, expires_at)" +
			" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE SET namespace = excluded.namespace, flow = excluded.flow," +
			" step = excluded.step, content_type = excluded.content_type, bytes = excluded.bytes, upload = excluded.upload," +
			" created_at = excluded.created_at, expires_at = excluded.expires_at"
		_, err := tx.ExecContext(ctx, s.text(put), o.ID, o.Namespace, o.Flow, o.Step, clean(o.ContentType, 255), o.Bytes, upload,
			o.Created.UnixMilli(), o.Expires.UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("store object: %w", err)
	}
	return nil
}

// Object returns an object, or ErrNoObject. Its bytes are read from the database as they are asked for, with ctx.
func (s *Store) Object(ctx context.Context, id string) (Object, io.Reader, error) {
	db, err := s.open(ctx)
	if err != nil {
		return Object{}, nil, err
	}
	const query = "SELECT namespace, flow, step, content_type, bytes, upload, created_at, expires_at FROM objects WHERE id = $1 AND expires_at > $2"
	o := Object{ID: id}
	var upload string
	var created, expires int64
	err = db.QueryRowContext(ctx, s.text(query), clean(id, 255), s.now()).
		Scan(&o.Namespace, &o.Flow, &o.Step, &o.ContentType, &o.Bytes, &upload, &created, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return Object{}, nil, ErrNoObject
	}
	if err != nil {
		return Object{}, nil, fmt.Errorf("read object: %w", err)
	}
	o.Created, o.Expires = time.UnixMilli(created).UTC(), time.UnixMilli(expires).UTC()
	return o, &chunkReader{ctx: ctx, store: s, db: db, upload: upload, left: o.Bytes}, nil
}

// chunkReader reads an object's bytes.
type chunkReader struct {
	ctx      context.Context // of the call that made it, which it's part of
	store    *Store
	db       *sql.DB
	upload   string
	position int
	chunk    []byte
	left     int64
}

func (r *chunkReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if len(r.chunk) == 0 {
		const query = "SELECT data FROM object_chunks WHERE upload = $1 AND position = $2"
		if err := r.db.QueryRowContext(r.ctx, r.store.text(query), r.upload, r.position).Scan(&r.chunk); err != nil {
			return 0, fmt.Errorf("read object: %w", err) // no row: it was removed or replaced meanwhile
		}
		r.position++
	}
	n := copy(p, r.chunk)
	r.chunk = r.chunk[n:]
	r.left -= int64(n)
	return n, nil
}

// DeleteObject removes an object. One that doesn't exist is no error.
func (s *Store) DeleteObject(ctx context.Context, id string) error {
	db, err := s.open(ctx)
	if err != nil {
		return err
	}
	return s.deleteObjects(ctx, db, "id = $1", clean(id, 255))
}

// deleteObjects removes the objects that match, with their chunks.
func (s *Store) deleteObjects(ctx context.Context, db *sql.DB, where string, args ...any) error {
	err := s.transaction(ctx, db, "objects", func(tx *sql.Tx) error {
		for _, query := range []string{
			"DELETE FROM object_chunks WHERE upload IN (SELECT upload FROM objects WHERE " + where + ")", "DELETE FROM objects WHERE " + where,
		} {
			if _, err := tx.ExecContext(ctx, s.text(query), args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete objects: %w", err)
	}
	return nil
}

// expireObjects removes, now and then, what has expired and what was never finished.
func (s *Store) expireObjects(ctx context.Context, db *sql.DB) error {
	now := s.opts.Now()
	s.mu.Lock()
	due := now.Sub(s.expired) >= objectsEvery
	if due {
		s.expired = now
	}
	s.mu.Unlock()
	if !due {
		return nil
	}
	if err := s.deleteObjects(ctx, db, "expires_at <= $1", now.UnixMilli()); err != nil {
		return err
	}
	const unfinished = "DELETE FROM object_chunks WHERE created_at < $1 AND upload NOT IN (SELECT upload FROM objects)"
	if _, err := db.ExecContext(ctx, s.text(unfinished), now.Add(-uploadMax).UnixMilli()); err != nil {
		return fmt.Errorf("delete unfinished objects: %w", err)
	}
	return nil
}
