package cluster

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"

	v1 "github.com/openintegrationhub/leat/api/v1"
	"github.com/openintegrationhub/leat/internal/api"
)

// Person is who sends a request, as the cluster knows them.
type Person struct {
	Name   string
	UID    string
	Groups []string
	Extra  map[string]authentication.ExtraValue
}

// errUnknown says that a token is none that the cluster knows.
var errUnknown = errors.New("the token is not valid")

// People asks the cluster who somebody is and what they may do. Answers are kept for a while.
type People struct {
	// Token is one that the cluster doesn't know and whose owner may do everything; "" for none.
	Token string

	// review returns the owner of a token, or errUnknown.
	review func(ctx context.Context, token string) (Person, error)
	// allowed tells whether somebody may do something with the flows of a namespace, or of all if it's "".
	allowed func(ctx context.Context, p Person, verb, namespace string) (bool, error)

	persons answers[Person]
	rights  answers[bool]
}

// NewPeople returns what asks the API server of config.
func NewPeople(config *rest.Config) (*People, error) {
	config = rest.CopyConfig(config)
	config.Timeout = 10 * time.Second
	tokens, err := authenticationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client for tokens: %w", err)
	}
	rights, err := authorizationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client for rights: %w", err)
	}
	return &People{
		review: func(ctx context.Context, token string) (Person, error) {
			return reviewToken(ctx, tokens.TokenReviews(), token)
		},
		allowed: func(ctx context.Context, p Person, verb, namespace string) (bool, error) {
			return reviewRight(ctx, rights.SubjectAccessReviews(), p, verb, namespace)
		},
	}, nil
}

// reviewToken accepts tokens for api.Audience, and those for the API server itself.
func reviewToken(ctx context.Context, reviews authenticationclient.TokenReviewInterface, token string) (Person, error) {
	for _, audiences := range [][]string{{api.Audience}, nil} {
		review := &authentication.TokenReview{Spec: authentication.TokenReviewSpec{Token: token, Audiences: audiences}}
		review, err := reviews.Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return Person{}, fmt.Errorf("review token: %w", err)
		}
		if review.Status.Authenticated {
			u := review.Status.User
			return Person{Name: u.Username, UID: u.UID, Groups: u.Groups, Extra: u.Extra}, nil
		}
	}
	return Person{}, errUnknown
}

func reviewRight(ctx context.Context, reviews authorizationclient.SubjectAccessReviewInterface, p Person, verb, namespace string) (bool, error) {
	extra := make(map[string]authorization.ExtraValue, len(p.Extra))
	for name, value := range p.Extra {
		extra[name] = authorization.ExtraValue(value)
	}
	review, err := reviews.Create(ctx, &authorization.SubjectAccessReview{Spec: authorization.SubjectAccessReviewSpec{
		User: p.Name, UID: p.UID, Groups: p.Groups, Extra: extra,
		ResourceAttributes: &authorization.ResourceAttributes{Group: v1.Group, Version: v1.Version, Resource: "flows", Verb: verb, Namespace: namespace},
	}}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("review rights: %w", err)
	}
	return review.Status.Allowed, nil
}

// Guard lets requests through to next from people who may do with flows what the request means: to read takes the right to get the flows of the
// namespace, to change to update them. The namespace is that of the query. Without one, it's all of them; who may not see all is asked to name
// one. Handlers behind it must not go beyond the namespace in the query.
func (p *People) Guard(next http.Handler, logger *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		person, err := p.who(r)
		switch {
		case errors.Is(err, errUnknown):
			w.Header().Set("WWW-Authenticate", `Bearer realm="leat"`)
			refuse(w, http.StatusUnauthorized, "send a bearer token of the cluster, for the audience "+api.Audience+" or for the cluster itself")
			return
		case err != nil:
			logger.Error("ask the cluster about a token", "err", err)
			refuse(w, http.StatusServiceUnavailable, "the cluster can't tell now who you are: try again")
			return
		}
		verb := "update"
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			verb = "get"
		}
		namespace := r.URL.Query().Get("namespace")
		may, err := p.may(r.Context(), person, verb, namespace)
		if err != nil {
			logger.Error("ask the cluster about rights", "person", person.Name, "err", err)
			refuse(w, http.StatusServiceUnavailable, "the cluster can't tell now what you may do: try again")
			return
		}
		if !may {
			where := "in namespace " + namespace
			if namespace == "" {
				where = "in all namespaces: name one with ?namespace="
			}
			refuse(w, http.StatusForbidden, fmt.Sprintf("%s may not %s flows.%s %s", person.Name, verb, v1.Group, where))
			return
		}
		if verb != "get" {
			logger.Info("request of a person", "person", person.Name, "method", r.Method, "path", r.URL.Path, "query", r.URL.RawQuery)
		}
		next.ServeHTTP(w, r)
	})
}

func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": text})
}

// who tells who sends a request.
func (p *People) who(r *http.Request) (Person, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		token = ""
	}
	token = cmp.Or(r.Header.Get(api.TokenHeader), strings.TrimSpace(token))
	if token == "" || len(token) > tokenBytesMax {
		return Person{}, errUnknown
	}
	sum := sha256.Sum256([]byte(token))
	if own := sha256.Sum256([]byte(p.Token)); p.Token != "" && sum == own { // hashes: how long it takes tells nothing
		return Person{Name: everybody}, nil
	}
	return p.persons.get(string(sum[:]), func() (Person, error) { return p.review(r.Context(), token) })
}

const tokenBytesMax = 16 << 10

// everybody is the owner of People.Token. The cluster's names have no space.
const everybody = "owner of the API token"

func (p *People) may(ctx context.Context, person Person, verb, namespace string) (bool, error) {
	if person.Name == everybody {
		return true, nil
	}
	identity, err := json.Marshal(person)
	if err != nil {
		return false, err
	}
	return p.rights.get(fmt.Sprintf("%s %s %s", identity, verb, namespace), func() (bool, error) { return p.allowed(ctx, person, verb, namespace) })
}

const (
	answerAge  = 30 * time.Second // how long an answer counts: so long a right that was taken away may still work
	answersMax = 1000
)

// answers keeps answers for a while. The zero value is ready for use.
type answers[T any] struct {
	mu   sync.Mutex // guards kept
	kept map[string]answer[T]
}

type answer[T any] struct {
	value T
	until time.Time
}

// get returns the answer that is kept, or asks. Errors aren't kept: nobody can fill the memory with tokens that don't exist.
func (a *answers[T]) get(key string, ask func() (T, error)) (T, error) {
	a.mu.Lock()
	known, found := a.kept[key]
	a.mu.Unlock()
	if found && time.Now().Before(known.until) {
		return known.value, nil
	}
	value, err := ask()
	if err != nil {
		return value, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.kept) >= answersMax || a.kept == nil {
		a.kept = map[string]answer[T]{}
	}
	a.kept[key] = answer[T]{value: value, until: time.Now().Add(answerAge)}
	return value, nil
}
