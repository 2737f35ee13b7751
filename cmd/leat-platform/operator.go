package main

import (
	"context"
	"os"
	"runtime/debug"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/openintegrationhub/leat/internal/cluster"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/operator"
	"github.com/openintegrationhub/leat/internal/program"
)

type operatorCommand struct {
	service
	LeaderElection bool `default:"true" negatable:"" help:"Let only one of several operators work."`
}

func (c *operatorCommand) Run(ctx context.Context, std program.Streams) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(operator.GCPercent)
	}
	settings, err := c.settings()
	if err != nil {
		return err
	}
	config, err := cluster.ServiceConfig(c.Kubeconfig)
	if err != nil {
		return program.Wrong(err)
	}
	config.UserAgent = "leat-flows-operator"
	logger := c.logger(std)
	log.SetLogger(logr.FromSlogHandler(logger.Handler())) // controller-runtime's own, else it complains with a stack trace
	o, err := operator.New(operator.Options{
		Config:         config,
		Settings:       settings,
		Logger:         logger,
		Checks:         []flow.NodeCheck{program.CheckData},
		LeaderElection: c.LeaderElection,
		Namespace:      leaseNamespace(),
		Listen:         c.Listen,
	})
	if err != nil {
		return err
	}
	logger.Info("flows-operator runs", "version", program.Version(), "health", c.Listen)
	return o.Run(ctx)
}
