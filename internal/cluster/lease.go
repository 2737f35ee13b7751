package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// LeaseOptions of a Lease. Config, Namespace, Name and Logger are required.
type LeaseOptions struct {
	Config    *rest.Config
	Namespace string // of the Lease object
	Name      string
	Identity  string // of this process, for people to read, such as its pod's name; something random is added
	Logger    *slog.Logger

	Duration time.Duration // until another may lead after the last sign of life; default 15 s
	Renew    time.Duration // after which a leader that can't renew gives up; default two thirds of Duration
	Retry    time.Duration // between tries; default a tenth of Duration, at most 2 s
}

func (o *LeaseOptions) validate() error {
	o.Duration = cmp.Or(o.Duration, 15*time.Second)
	o.Renew = cmp.Or(o.Renew, o.Duration*2/3)
	o.Retry = cmp.Or(o.Retry, min(o.Duration/10, 2*time.Second))
	switch {
	case o.Config == nil:
		return errors.New("lease options: Config: missing")
	case o.Namespace == "":
		return errors.New("lease options: Namespace: missing")
	case o.Name == "":
		return errors.New("lease options: Name: missing")
	case o.Logger == nil:
		return errors.New("lease options: Logger: missing")
	}
	return nil
}

// Lease lets one of several processes lead at a time.
type Lease struct {
	opts LeaseOptions
	lock *lock
}

// NewLease returns a lease that nobody tries to get until Run.
func NewLease(opts LeaseOptions) (*Lease, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	config := rest.CopyConfig(opts.Config)
	config.Timeout = opts.Renew / 2 // a try that hangs mustn't be the last one
	client, err := coordination.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client for leases: %w", err)
	}
	return &Lease{opts: opts, lock: &lock{Interface: &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: opts.Namespace, Name: opts.Name},
		Client:     client,
		LockConfig: resourcelock.ResourceLockConfig{Identity: cmp.Or(opts.Identity, "leat") + "_" + strings.ToLower(rand.Text())},
	}}}, nil
}

// Run calls lead whenever this process leads, with a context that ends when it no longer does, and waits for it to return: another leads only
// after that, unless this process hangs for longer than the lease. It returns nil when ctx is done, or the error of lead.
func (l *Lease) Run(ctx context.Context, lead func(ctx context.Context) error) error {
	for ctx.Err() == nil {
		if err := l.term(ctx, lead); err != nil {
			return err
		}
	}
	return nil
}

// term waits to be elected, and leads once.
func (l *Lease) term(ctx context.Context, lead func(ctx context.Context) error) error {
	// The lease is given up after the work has ended, so it needs a context of its own.
	holding, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	var once sync.Once
	var leading bool
	var failed error
	ended := make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:            l.lock,
		Name:            l.opts.Name,
		LeaseDuration:   l.opts.Duration,
		RenewDeadline:   l.opts.Renew,
		RetryPeriod:     l.opts.Retry,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(held context.Context) {
				once.Do(func() { leading = true })
				if !leading {
					return // ctx was done first
				}
				defer close(ended)
				defer release()
				work, cancel := context.WithCancel(ctx)
				defer cancel()
				defer context.AfterFunc(held, cancel)()
				l.opts.Logger.Info("leading", "lease", l.opts.Name)
				failed = lead(work)
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return fmt.Errorf("elect leader: %w", err)
	}
	defer context.AfterFunc(ctx, func() { // nobody to wait for, unless it leads
		once.Do(release)
	})()
	elector.Run(holding)
	once.Do(func() {})
	if !leading {
		return nil
	}
	<-ended
	l.opts.Logger.Info("no longer leading", "lease", l.opts.Name)
	return failed
}

// Fresh tells whether the lease was renewed so recently that for at least spare from now nobody else leads. It tells the truth also after this
// process was stopped for a while, which the end of a context doesn't.
func (l *Lease) Fresh(spare time.Duration) bool {
	renewed := l.lock.last()
	if renewed.IsZero() {
		return false
	}
	// The monotonic clock stands still while a machine sleeps, the other one can be set: the one that says more counts.
	age := max(time.Since(renewed), time.Now().Round(0).Sub(renewed.Round(0)))
	return age+spare < l.opts.Duration
}

// lock notes when the lease was renewed last.
type lock struct {
	resourcelock.Interface

	mu      sync.Mutex // guards renewed
	renewed time.Time
}

func (l *lock) last() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.renewed
}

func (l *lock) note(begin time.Time, record resourcelock.LeaderElectionRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewed = begin
	if record.HolderIdentity != l.Identity() { // given up
		l.renewed = time.Time{}
	}
}

// Create is called to become the first leader.
func (l *lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	begin := time.Now() // what others measure from is later
	err := l.Interface.Create(ctx, record)
	if err == nil {
		l.note(begin, record)
	}
	return err
}

// Update is called to become the leader, to remain it, and to give up.
func (l *lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	begin := time.Now()
	err := l.Interface.Update(ctx, record)
	if err == nil {
		l.note(begin, record)
	}
	return err
}
