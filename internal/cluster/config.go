package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// ServiceConfig is how a service reaches the API server: as the pod that it runs in or, outside of one, by the kubeconfig file that KUBECONFIG names. Path
// is a kubeconfig file that is used in any case; "" for none.
func ServiceConfig(path string) (*rest.Config, error) {
	config, err := rest.InClusterConfig()
	if path != "" || errors.Is(err, rest.ErrNotInCluster) {
		rules := clientcmd.NewDefaultClientConfigLoadingRules()
		rules.ExplicitPath = path
		if rules.ExplicitPath == "" && os.Getenv(clientcmd.RecommendedConfigPathEnvVar) == "" {
			return nil, errors.New("find Kubernetes: neither in a pod nor is KUBECONFIG set")
		}
		config, err = clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	}
	if err != nil {
		return nil, fmt.Errorf("find Kubernetes: %w", err)
	}
	// The defaults, 5 and 10, are meant for programs that poll.
	config.QPS, config.Burst = 50, 100
	config.UserAgent = cmp.Or(config.UserAgent, rest.DefaultKubernetesUserAgent())
	return config, nil
}
