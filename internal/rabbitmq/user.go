package rabbitmq

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// User is an account of the broker.
type User struct {
	Name         string `json:"name"`
	PasswordHash string `json:"password_hash"` // as HashPassword makes it; empty: the user can't log in by password
	Tags         []string
}

// UnmarshalJSON takes tags as a list (RabbitMQ 3.9 and later) or as text with commas (before).
func (u *User) UnmarshalJSON(text []byte) error {
	var raw struct {
		Name         string
		PasswordHash string `json:"password_hash"`
		Tags         json.RawMessage
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return err
	}
	*u = User{Name: raw.Name, PasswordHash: raw.PasswordHash}
	var joined string
	if json.Unmarshal(raw.Tags, &joined) != nil {
		return json.Unmarshal(raw.Tags, &u.Tags)
	}
	u.Tags = strings.FieldsFunc(joined, func(r rune) bool { return r == ',' || r == ' ' })
	return nil
}

// HashPassword makes what RabbitMQ stores of a password: base64 of a random 4-byte salt and SHA-256 of salt and password.
// Who sends the hash rather than the password can compare it later: see Matches.
func HashPassword(password string) string {
	salt := make([]byte, 4)
	rand.Read(salt)
	return saltedHash(salt, password)
}

// Matches tells whether the user's stored hash is that of the password.
func (u User) Matches(password string) bool {
	raw, err := base64.StdEncoding.DecodeString(u.PasswordHash)
	return err == nil && len(raw) == 4+sha256.Size && saltedHash(raw[:4], password) == u.PasswordHash
}

func saltedHash(salt []byte, password string) string {
	sum := sha256.Sum256(append(salt[:4:4], password...))
	return base64.StdEncoding.EncodeToString(append(salt[:4:4], sum[:]...))
}

// Users lists all users, sorted by name.
func (c *Client) Users(ctx context.Context) ([]User, error) {
	var out []User
	return out, c.get(ctx, "list users", &out, "users")
}

// User returns one user.
func (c *Client) User(ctx context.Context, name string) (User, error) {
	var out User
	return out, c.get(ctx, fmt.Sprintf("get user %q", name), &out, "users", name)
}

// PutUser creates or replaces a user, with exactly the given hash and tags.
func (c *Client) PutUser(ctx context.Context, u User) error {
	body := map[string]string{"password_hash": u.PasswordHash, "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": strings.Join(u.Tags, ",")}
	return c.put(ctx, fmt.Sprintf("put user %q", u.Name), body, "users", u.Name)
}

// PutPassword creates or replaces a user, with a password that the server hashes.
func (c *Client) PutPassword(ctx context.Context, name, password string, tags ...string) error {
	body := map[string]string{"password": password, "tags": strings.Join(tags, ",")}
	return c.put(ctx, fmt.Sprintf("put user %q", name), body, "users", name)
}

// DeleteUser deletes a user and closes its connections. That it doesn't exist is no error.
func (c *Client) DeleteUser(ctx context.Context, name string) error {
	return c.remove(ctx, request{op: fmt.Sprintf("delete user %q", name), path: []string{"users", name}})
}

// WhoAmI returns name and tags of the client's own user.
func (c *Client) WhoAmI(ctx context.Context) (User, error) {
	var out User
	return out, c.get(ctx, "ask who I am", &out, "whoami")
}

// Permission says what a user may do in a virtual host. Each of the three is a regular expression that names must match.
// The empty expression matches nothing.
type Permission struct {
	User      string `json:"user"`
	VHost     string `json:"vhost"`
	Configure string `json:"configure"`
	Write     string `json:"write"`
	Read      string `json:"read"`
}

// Permissions lists all permissions of all users.
func (c *Client) Permissions(ctx context.Context) ([]Permission, error) {
	var out []Permission
	return out, c.get(ctx, "list permissions", &out, "permissions")
}

// PutPermission sets what a user may do in a virtual host.
func (c *Client) PutPermission(ctx context.Context, p Permission) error {
	body := map[string]string{"configure": p.Configure, "write": p.Write, "read": p.Read}
	return c.put(ctx, fmt.Sprintf("put permission of user %q in %q", p.User, p.VHost), body, "permissions", p.VHost, p.User)
}

// DeletePermission takes from a user all it may do in a virtual host. That there's nothing to take is no error.
func (c *Client) DeletePermission(ctx context.Context, vhost, user string) error {
	op := fmt.Sprintf("delete permission of user %q in %q", user, vhost)
	return c.remove(ctx, request{op: op, path: []string{"permissions", vhost, user}})
}

// TopicPermission narrows the routing keys that a user may publish to (Write) and bind with (Read) on one topic exchange.
type TopicPermission struct {
	User     string `json:"user"`
	VHost    string `json:"vhost"`
	Exchange string `json:"exchange"`
	Write    string `json:"write"`
	Read     string `json:"read"`
}

// TopicPermissions lists all topic permissions of all users.
func (c *Client) TopicPermissions(ctx context.Context) ([]TopicPermission, error) {
	var out []TopicPermission
	return out, c.get(ctx, "list topic permissions", &out, "topic-permissions")
}

// PutTopicPermission sets a user's topic permission on one exchange.
func (c *Client) PutTopicPermission(ctx context.Context, p TopicPermission) error {
	body := map[string]string{"exchange": p.Exchange, "write": p.Write, "read": p.Read}
	op := fmt.Sprintf("put topic permission of user %q in %q", p.User, p.VHost)
	return c.put(ctx, op, body, "topic-permissions", p.VHost, p.User)
}

// DeleteTopicPermissions takes all topic permissions of a user in a virtual host away. That there are none is no error.
func (c *Client) DeleteTopicPermissions(ctx context.Context, vhost, user string) error {
	op := fmt.Sprintf("delete topic permissions of user %q in %q", user, vhost)
	return c.remove(ctx, request{op: op, path: []string{"topic-permissions", vhost, user}})
}
