package ferry

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/openintegrationhub/leat/internal/plan"
)

// claims are what ferryman reads out of a token (contract.md section 6).
type claims struct {
	FlowID       string                     `json:"flowId"`
	StepID       string                     `json:"stepId"`
	UserID       string                     `json:"userId"`
	Tenant       string                     `json:"tenant"`
	Function     string                     `json:"function"`
	Fields       map[string]json.RawMessage `json:"fields"` // the configuration
	NodeSettings json.RawMessage            `json:"nodeSettings"`
	SecretID     string                     `json:"secretId,omitempty"`
	APIKey       string                     `json:"apiKey"` // for snapshots and secrets
	FlowExecID   string                     `json:"flowExecId"`
}

// newToken returns a JWT for a ferryman step, signed with the step's own key (HS256, RFC 7518 section 3.2). Ferryman doesn't check the signature,
// and nobody else takes one.
func newToken(e plan.Entry, to plan.Ferryman, execution string) (string, error) {
	c := claims{
		FlowID: e.Flow, StepID: to.Step, UserID: e.UserID, Tenant: e.Namespace, Function: to.Function, Fields: map[string]json.RawMessage{},
		NodeSettings: json.RawMessage("{}"), APIKey: to.APIKey, FlowExecID: execution,
	}
	if len(to.Config) > 0 {
		if err := json.Unmarshal(to.Config, &c.Fields); err != nil {
			return "", fmt.Errorf("data of step %q: %w", to.Step, err)
		}
	}
	if settings, ok := c.Fields["nodeSettings"]; ok {
		c.NodeSettings = settings
		delete(c.Fields, "nodeSettings")
	}
	_ = json.Unmarshal(c.Fields["secretId"], &c.SecretID) // of another type it's none
	text, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("data of step %q: %w", to.Step, err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(text)
	h := hmac.New(sha256.New, []byte(to.APIKey))
	h.Write([]byte(signed))
	return signed + "." + encode(h.Sum(nil)), nil
}
