// Package kubetest gives tests a real Kubernetes API server without nodes, from the programs that test/cluster/build.sh makes.
package kubetest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// errAbsent says that this machine hasn't got the programs.
var errAbsent = errors.New("no Kubernetes API server on this machine: `test/cluster/build.sh api` builds it")

var (
	mu     sync.Mutex           // guards server
	server *envtest.Environment // nil while none runs
)

// Config says how an administrator reaches the API server, which knows flows. The first test that asks starts it; the package's TestMain has to
// use Main. Where the programs are missing, and with -short, the test is skipped, unless LEAT_CLUSTER is set. Packages lie two folders below the top.
func Config(t testing.TB) *rest.Config {
	t.Helper()
	wanted := os.Getenv("LEAT_CLUSTER") != ""
	if testing.Short() && !wanted {
		t.Skip("needs a Kubernetes API server")
	}
	config, err := start()
	if errors.Is(err, errAbsent) && !wanted {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func start() (*rest.Config, error) {
	mu.Lock()
	defer mu.Unlock()
	if server != nil {
		return server.Config, nil
	}
	programs, err := folder()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(programs, "kube-apiserver")); errors.Is(err, fs.ErrNotExist) {
		return nil, errAbsent
	}
	e := &envtest.Environment{
		BinaryAssetsDirectory: programs, CRDDirectoryPaths: []string{"../../platform/crd"}, ErrorIfCRDPathMissing: true,
		ControlPlaneStartTimeout: 2 * time.Minute, ControlPlaneStopTimeout: time.Minute,
	}
	if _, err := e.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start Kubernetes API server: %w", err), e.Stop())
	}
	server = e
	return e.Config, nil
}

// folder is where the programs are.
func folder() (string, error) {
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		return assets, nil
	}
	home := os.Getenv("KUBE_HOME")
	if home == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find the programs of Kubernetes: %w", err)
		}
		home = filepath.Join(cache, "kube-here")
	}
	return filepath.Join(home, "bin"), nil
}

// Main is a *testing.M whose Run stops the server after the tests.
type Main struct{ *testing.M }

// Run runs the tests.
func (m Main) Run() int {
	code := m.M.Run()
	mu.Lock()
	defer mu.Unlock()
	if server == nil {
		return code
	}
	if err := server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop Kubernetes API server:", err)
		return max(code, 1)
	}
	server = nil
	return code
}

// Kubeconfig writes a kubeconfig file with which somebody reaches the server of config. A nil user is who config is.
func Kubeconfig(t testing.TB, path string, config *rest.Config, namespace string, user *clientcmdapi.AuthInfo) {
	t.Helper()
	if user == nil {
		user = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData, Token: config.BearerToken}
	}
	c := clientcmdapi.NewConfig()
	c.Clusters["test"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	c.AuthInfos["test"] = user
	c.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test", Namespace: namespace}
	c.CurrentContext = "test"
	if err := clientcmd.WriteToFile(*c, path); err != nil {
		t.Fatal(err)
	}
}
