package cluster

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/plan"
)

// Judge is what Source does with each flow.
func Judge(f *v1.Flow, secret *corev1.Secret, before *Flow) *Flow {
	return judge(f, secret, before, plan.Platform{Builtin: func(string) string { return "" }})
}

// SameInputs tells whether a change of a flow or its Secret is one that Source passes over.
func SameInputs(f *v1.Flow, secret *corev1.Secret, g *v1.Flow, other *corev1.Secret) bool {
	return inputsOf(f, secret) == inputsOf(g, other)
}

// FakePeople are people who are known without a cluster.
func FakePeople(review func(ctx context.Context, token string) (Person, error), allowed func(ctx context.Context, p Person, verb, namespace string) (bool, error)) *People {
	return &People{review: review, allowed: allowed}
}

// ErrUnknown is what a review answers for a bad token.
var ErrUnknown = errUnknown

// AnswerAge is how long an answer counts.
const AnswerAge = answerAge

// Keeper is what removes deleted flows from the store.
type Keeper = keeper

// NewKeeper makes one.
var NewKeeper = newKeeper

// Keep is a Keeper's only deed.
func (k *keeper) Keep(ctx context.Context, flows []*Flow) error { return k.keep(ctx, flows) }

// FreshLease returns a lease that was renewed at that time.
func FreshLease(duration time.Duration, renewed time.Time) *Lease {
	return &Lease{opts: LeaseOptions{Duration: duration}, lock: &lock{renewed: renewed}}
}
