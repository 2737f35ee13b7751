package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

// Kind tells what a document is.
type Kind string

// Kinds of documents.
const (
	Snapshot    Kind = "snapshot"     // of a step; Name is the step
	StartupData Kind = "startup-data" // what a step's startup hook returned; Name is the step
	AccountKeys Kind = "account-keys" // credentials that a component has renewed; Name is the account, Flow is empty
	Secret      Kind = "secret"       // credentials that a person has stored; Name is the secret, Flow is empty
	SigningKey  Kind = "signing-key"  // of addresses that give access by themselves, a JSON string; all else is empty
	Origin      Kind = "origin"       // which one of several flows that had the name in turn the rest is of; Name is empty
)

// Key finds a document.
type Key struct {
	Kind      Kind
	Namespace string
	Flow      string
	Name      string
}

func (k Key) String() string {
	return fmt.Sprintf("%s %q", k.Kind, k.Namespace+"/"+k.Flow+"/"+k.Name)
}

// Get returns a document, nil if there's none.
func (s *Store) Get(ctx context.Context, key Key) (json.RawMessage, error) {
	db, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	value, err := s.document(ctx, db, key)
	if err != nil {
		return nil, fmt.Errorf("read %v: %w", key, err)
	}
	return value, nil
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (s *Store) document(ctx context.Context, q querier, key Key) (json.RawMessage, error) {
	const query = "SELECT value FROM documents WHERE kind = $1 AND namespace = $2 AND flow = $3 AND name = $4"
	var value []byte
	err := q.QueryRowContext(ctx, s.text(query), key.Kind, key.Namespace, key.Flow, key.Name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return value, err
}

// Update replaces a document by what change makes of it, in one transaction. Both are nil for none; an error of change is returned as
// it is, and changes nothing. Change must not call the store.
func (s *Store) Update(ctx context.Context, key Key, change func(json.RawMessage) (json.RawMessage, error)) error {
	db, err := s.open(ctx)
	if err != nil {
		return err
	}
	var refused error
	err = s.transaction(ctx, db, key.String(), func(tx *sql.Tx) error {
		current, err := s.document(ctx, tx, key)
		if err != nil {
			return err
		}
		next, err := change(current)
		switch {
		case err != nil:
			refused = err
			return err
		case next == nil:
			const query = "DELETE FROM documents WHERE kind = $1 AND namespace = $2 AND flow = $3 AND name = $4"
			_, err = tx.ExecContext(ctx, s.text(query), key.Kind, key.Namespace, key.Flow, key.Name)
			return err
		}
		const query = "INSERT INTO documents (kind, namespace, flow, name, value, updated_at) VALUES ($1, $2, $3, $4, $5, $6)" +
			" ON CONFLICT (kind, namespace, flow, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at"
		_, err = tx.ExecContext(ctx, s.text(query), key.Kind, key.Namespace, key.Flow, key.Name, []byte(next), s.now())
		return err
	})
	if refused != nil {
		return refused
	}
	if err != nil {
		return fmt.Errorf("write %v: %w", key, err)
	}
	return nil
}

// Forget removes what is stored for a flow that was deleted: documents and objects of its steps, and its errors.
func (s *Store) Forget(ctx context.Context, namespace, flow string) error {
	db, err := s.open(ctx)
	if err != nil {
		return err
	}
	if flow == "" {
		return errors.New("forget flow: no name")
	}
	if err := s.deleteObjects(ctx, db, "namespace = $1 AND flow = $2", namespace, flow); err != nil {
		return fmt.Errorf("forget flow %q: %w", flow, err)
	}
	err = s.transaction(ctx, db, "forget", func(tx *sql.Tx) error {
		for _, table := range []string{"documents", "errors"} {
			query := "DELETE FROM " + table + " WHERE namespace = $1 AND flow = $2"
			if _, err := tx.ExecContext(ctx, s.text(query), namespace, flow); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget flow %q: %w", flow, err)
	}
	return nil
}
