package kube

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/plan"
)

// Entries of a flow's Secret. Those of steps are step.ID.broker-password, step.ID.api-key, and env.ID.NAME for variables, where ID is a step's
// id with dots for colons: no id has a dot.
const (
	keyPassword = "crypto-password"
	keyIV       = "crypto-iv"
	keyBroker   = ".broker-password"
	keyAPI      = ".api-key"
)

// NewSecret makes the Secret of a flow: its secrets, and the secret variables of the given steps.
func NewSecret(f *flow.Flow, s plan.Secrets, steps ...plan.Step) *corev1.Secret {
	data := map[string][]byte{keyPassword: []byte(s.CryptoPassword), keyIV: []byte(s.CryptoIV)}
	for id, own := range s.Steps {
		data[stepKey(id, keyBroker)] = []byte(own.BrokerPassword)
		data[stepKey(id, keyAPI)] = []byte(own.APIKey)
	}
	for _, step := range steps {
		for _, v := range step.Variables {
			if v.Secret {
				data[variableKey(step, v, s.CryptoPassword, s.CryptoIV)] = []byte(v.Value)
			}
		}
	}
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Name: SecretName(f.Name), Namespace: f.Namespace, Labels: Labels(f.Name)},
		Type:       corev1.SecretTypeOpaque,
		Data:       data,
	}
}

// ParseSecret reads what NewSecret wrote.
func ParseSecret(secret *corev1.Secret) (plan.Secrets, error) {
	s := plan.Secrets{
		CryptoPassword: string(secret.Data[keyPassword]),
		CryptoIV:       string(secret.Data[keyIV]),
		Steps:          map[string]plan.StepSecrets{},
	}
	if s.CryptoPassword == "" || len(s.CryptoIV) != 16 {
		return plan.Secrets{}, fmt.Errorf("read secret %s/%s: no Leat secret of a flow: %s or %s is missing", secret.Namespace, secret.Name, keyPassword, keyIV)
	}
	for key, value := range secret.Data {
		rest, ok := strings.CutPrefix(key, "step.")
		if !ok {
			continue
		}
		if id, ok := strings.CutSuffix(rest, keyBroker); ok {
			own := s.Steps[stepID(id)]
			own.BrokerPassword = string(value)
			s.Steps[stepID(id)] = own
		}
		if id, ok := strings.CutSuffix(rest, keyAPI); ok {
			own := s.Steps[stepID(id)]
			own.APIKey = string(value)
			s.Steps[stepID(id)] = own
		}
	}
	return s, nil
}

func stepKey(id, kind string) string { return "step." + strings.ReplaceAll(id, ":", ".") + kind }

func stepID(key string) string { return strings.ReplaceAll(key, ".", ":") }

// variableKey is the entry that holds a secret variable of a step. A value that has an entry already isn't stored twice.
func variableKey(s plan.Step, v plan.Variable, cryptoPassword, cryptoIV string) string {
	switch v.Value {
	case s.APIKey:
		return stepKey(s.ID, keyAPI)
	case cryptoPassword:
		return keyPassword
	case cryptoIV:
		return keyIV
	}
	name := v.Name
	if strings.Contains(name, ".") { // names of variables may have dots, and then it's not clear where the id ends
		name = "x" + digest(20, name)
	}
	return "env." + strings.ReplaceAll(s.ID, ":", ".") + "." + name
}
