package router

import (
	"context"
	"sync"
	"time"
)

// deadlines hands out contexts that end after timeout, or up to a sixteenth of it later. Requests of the same moment share one: a timer and a
// context for each request would be a twentieth of its cost. That it doesn't end when a client goes away is right: what was begun to be
// published may as well be confirmed.
type deadlines struct {
	timeout time.Duration

	mu    sync.Mutex // guards those below
	ctx   context.Context
	renew time.Time
}

func (d *deadlines) context(now time.Time) context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx == nil || now.After(d.renew) {
		step := d.timeout / 16
		ctx, cancel := context.WithTimeout(context.Background(), d.timeout+step)
		context.AfterFunc(ctx, cancel)
		d.ctx, d.renew = ctx, now.Add(step)
	}
	return d.ctx
}
