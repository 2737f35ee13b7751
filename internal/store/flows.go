package store

import (
	"context"
	"fmt"
)

// FlowName names a flow that something is stored for.
type FlowName struct{ Namespace, Flow string }

// Flows lists the flows that anything is stored for, in no particular order.
func (s *Store) Flows(ctx context.Context) ([]FlowName, error) {
	db, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	const query = "SELECT namespace, flow FROM documents WHERE flow <> '' UNION SELECT namespace, flow FROM errors WHERE flow <> ''"
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("list flows: %w", err)
	}
	defer rows.Close()
	var all []FlowName
	for rows.Next() {
		var f FlowName
		if err := rows.Scan(&f.Namespace, &f.Flow); err != nil {
			return nil, fmt.Errorf("list flows: %w", err)
		}
		all = append(all, f)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list flows: %w", err)
	}
	return all, nil
}
