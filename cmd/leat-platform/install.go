package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/openintegrationhub/leat/internal/install"
	"github.com/openintegrationhub/leat/internal/program"
)

type installCommand struct {
	Broker     string `default:"amqp://rabbitmq.platform:5672" env:"BROKER_ADDRESS" placeholder:"URI" help:"Where services and steps reach the broker (default ${default})."`
	Management string `default:"http://rabbitmq.platform:15672" env:"MANAGEMENT_ADDRESS" placeholder:"URI" help:"Where the operator reaches its management API (default ${default})."`
}

func (c *installCommand) Run(ctx context.Context, std program.Streams) error {
	broker, err := url.Parse(c.Broker)
	if err != nil {
		return program.Wrong(fmt.Errorf("--broker: %w", err))
	}
	management, err := url.Parse(c.Management)
	if err != nil {
		return program.Wrong(fmt.Errorf("--management: %w", err))
	}
	cluster, namespace, err := install.InCluster()
	if err != nil {
		return err
	}
	data, err := install.Secret(*broker, *management)
	if err != nil {
		return err
	}
	switch err := cluster.CreateSecret(ctx, namespace, install.SecretName, data); {
	case errors.Is(err, install.ErrExists):
		fmt.Fprintf(std.Out, "secret %s is there already and stays as it is\n", install.SecretName)
	case err != nil:
		return err
	default:
		fmt.Fprintf(std.Out, "made secret %s\n", install.SecretName)
	}
	return nil
}
