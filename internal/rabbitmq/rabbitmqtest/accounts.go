package rabbitmqtest

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/rabbitmq"
)

func virtualHosts(t *testing.T, s *suite) {
	must(t, s.PutVHost(t.Context(), s.vhost))
	all, err := s.VHosts(t.Context())
	must(t, err)
	named := func(v rabbitmq.VHost) bool { return v.Name == s.vhost }
	if !slices.ContainsFunc(all, named) {
		t.Errorf("list %v lacks %q", all, s.vhost)
	}
	got, err := s.VHost(t.Context(), s.vhost)
	must(t, err)
	if got.Name != s.vhost {
		t.Errorf("name = %q, want %q", got.Name, s.vhost)
	}
	must(t, s.DeleteVHost(t.Context(), s.vhost))
	must(t, s.DeleteVHost(t.Context(), s.vhost))
	if _, err := s.VHost(t.Context(), s.vhost); !errors.Is(err, rabbitmq.ErrNotFound) {
		t.Errorf("after deletion: %v, want not found", err)
	}
}

func users(t *testing.T, s *suite) {
	ctx := t.Context()
	name := s.user(t)
	u, err := s.User(ctx, name)
	must(t, err)
	if !u.Matches("secret") || u.Matches("other") || len(u.Tags) != 0 {
		t.Errorf("user = %+v, want hash of %q and no tags", u, "secret")
	}
	must(t, s.PutPassword(ctx, name, "changed", "monitoring", "policymaker"))
	u, err = s.User(ctx, name)
	must(t, err)
	if diff := cmp.Diff([]string{"monitoring", "policymaker"}, u.Tags); diff != "" || !u.Matches("changed") {
		t.Errorf("user = %+v, want hash of %q; tags (-want +got):\n%s", u, "changed", diff)
	}
	me, err := s.as(t, name, "changed").WhoAmI(ctx)
	must(t, err)
	if me.Name != name {
		t.Errorf("who am I = %q, want %q", me.Name, name)
	}

	login := amqp.Config{Vhost: s.vhost, SASL: []amqp.Authentication{&amqp.PlainAuth{Username: name, Password: "changed"}}}
	_, err = amqp.DialConfig(s.target.AMQP, login)
	want := "NOT_ALLOWED - access to vhost '" + s.vhost + "' refused for user '" + name + "'"
	if e, ok := errors.AsType[*amqp.Error](err); !ok || e.Code != amqp.NotAllowed || e.Reason != want {
		t.Errorf("log in without permission: %v, want 530 %s", err, want)
	}
	must(t, s.PutPermission(ctx, rabbitmq.Permission{User: name, VHost: s.vhost}))
	conn, err := amqp.DialConfig(s.target.AMQP, login)
	must(t, err)
	conn.Close()

	all, err := s.Users(ctx)
	must(t, err)
	if !slices.ContainsFunc(all, func(u rabbitmq.User) bool { return u.Name == name }) {
		t.Errorf("list lacks %q", name)
	}
	must(t, s.DeleteUser(ctx, name))
	must(t, s.DeleteUser(ctx, name))
	if _, err := s.User(ctx, name); !errors.Is(err, rabbitmq.ErrNotFound) {
		t.Errorf("after deletion: %v, want not found", err)
	}
	err = s.PutUser(ctx, rabbitmq.User{Name: name, PasswordHash: "not base64"})
	wantError(t, err, 400, "not_base64")
}

func tags(t *testing.T, s *suite) {
	ctx := t.Context()
	for tag, want := range map[string]struct{ overview, users, put int }{
		"administrator": {200, 200, 200},
		"monitoring":    {200, 401, 401},
		"management":    {200, 401, 401},
		"":              {401, 401, 401},
	} {
		name := s.user(t)
		if tag != "" {
			name = s.user(t, tag)
		}
		c := s.as(t, name, "secret")
		_, overview := c.Overview(ctx)
		_, users := c.Users(ctx)
		put := c.PutVHost(ctx, s.vhost)
		for what, got := range map[string]struct {
			err  error
			want int
		}{"overview": {overview, want.overview}, "users": {users, want.users}, "put virtual host": {put, want.put}} {
			if got.want == 200 {
				must(t, got.err)
				continue
			}
			if e, ok := got.err.(*rabbitmq.Error); !ok || e.Status != got.want {
				t.Errorf("tag %q: %s: %v, want status %d", tag, what, got.err, got.want)
			}
		}
	}
}

func permissions(t *testing.T, s *suite) {
	ctx := t.Context()
	name := s.user(t)
	own := func() []rabbitmq.Permission {
		all, err := s.Permissions(ctx)
		must(t, err)
		return slices.DeleteFunc(all, func(p rabbitmq.Permission) bool { return p.User != name })
	}
	p := rabbitmq.Permission{User: name, VHost: s.vhost, Configure: "", Write: "^x$", Read: "^q$"}
	must(t, s.PutPermission(ctx, p))
	must(t, s.PutPermission(ctx, p))
	p.Write = "^y$"
	must(t, s.PutPermission(ctx, p))
	if diff := cmp.Diff([]rabbitmq.Permission{p}, own()); diff != "" {
		t.Errorf("permissions (-want +got):\n%s", diff)
	}
	must(t, s.DeletePermission(ctx, s.vhost, name))
	must(t, s.DeletePermission(ctx, s.vhost, name))
	if got := own(); len(got) != 0 {
		t.Errorf("after deletion: %v", got)
	}
	err := s.PutPermission(ctx, rabbitmq.Permission{User: name, VHost: "no-such-vhost"})
	wantError(t, err, 400, "vhost_or_user_not_found")
	err = s.PutPermission(ctx, rabbitmq.Permission{User: "no-such-user", VHost: s.vhost})
	wantError(t, err, 400, "vhost_or_user_not_found")
	err = s.PutPermission(ctx, rabbitmq.Permission{User: name, VHost: s.vhost, Read: "("})
	wantError(t, err, 400, "invalid_regexp")
}

func topicPermissions(t *testing.T, s *suite) {
	ctx := t.Context()
	name := s.user(t)
	own := func() []rabbitmq.TopicPermission {
		all, err := s.TopicPermissions(ctx)
		must(t, err)
		return slices.DeleteFunc(all, func(p rabbitmq.TopicPermission) bool { return p.User != name })
	}
	p := rabbitmq.TopicPermission{User: name, VHost: s.vhost, Exchange: "amq.topic", Write: "^a", Read: ".*"}
	must(t, s.PutTopicPermission(ctx, p))
	must(t, s.PutTopicPermission(ctx, p))
	if diff := cmp.Diff([]rabbitmq.TopicPermission{p}, own()); diff != "" {
		t.Errorf("topic permissions (-want +got):\n%s", diff)
	}
	must(t, s.DeleteTopicPermissions(ctx, s.vhost, name))
	must(t, s.DeleteTopicPermissions(ctx, s.vhost, name))
	if got := own(); len(got) != 0 {
		t.Errorf("after deletion: %v", got)
	}
}

func wrongCredentials(t *testing.T, s *suite) {
	_, err := s.as(t, s.user(t, "administrator"), "wrong").Overview(t.Context())
	wantError(t, err, 401, "Login failed")
	_, err = s.as(t, "no-such-user", "x").Overview(t.Context())
	wantError(t, err, 401, "Login failed")
}
