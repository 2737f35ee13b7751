package broker

import (
	"fmt"

	"github.com/openintegrationhub/leat/internal/broker/core"
)

// PutPolicy makes or replaces a policy, and returns when it is on disk. An error that isn't ErrNotFound says what is wrong with it, in
// RabbitMQ's words.
func (b *Broker) PutPolicy(vhost string, p core.Policy) error {
	return b.changing(vhost, func(v *core.VHost) error { return v.PutPolicy(p) })
}

// DeletePolicy removes a policy or operator policy.
func (b *Broker) DeletePolicy(vhost, name string, operator bool) error {
	return b.changing(vhost, func(v *core.VHost) error {
		if !v.DeletePolicy(name, operator) {
			return fmt.Errorf("delete policy %q: %w", name, ErrNotFound)
		}
		return nil
	})
}

// Policies lists the policies or operator policies of a virtual host by name.
func (b *Broker) Policies(vhost string, operator bool) (list []core.Policy) {
	b.inspect(vhost, func(v *core.VHost) { list = v.Policies(operator) })
	return list
}

// changing runs f on a virtual host, and returns when the definitions it wrote are on disk.
func (b *Broker) changing(vhost string, f func(*core.VHost) error) error {
	sp := b.space(vhost)
	if sp == nil {
		return fmt.Errorf("virtual host %q: %w", vhost, ErrNotFound)
	}
	var err error
	var batch uint64
	sp.Do(func(v *core.VHost) {
		before := v.Defines()
		err = f(v)
		if v.Defines() != before {
			batch = v.Batch()
		}
	})
	if err != nil || batch == 0 {
		return err
	}
	return sp.Await(batch)
}
