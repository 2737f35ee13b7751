# The images of Leat, one target each: docker build --target flows-operator -t openintegrationhub/flows-operator .
# `make images` packs the same ones without Docker; it reads this file.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/openintegrationhub/leat/internal/program.version=$VERSION" -o / ./cmd/leat ./cmd/leat-platform

# Time zones are in the binary. It runs with a read-only root file system, and writes nowhere but to volumes.
FROM scratch AS base
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
USER 65532:65532

FROM base AS platform
COPY --from=build /leat-platform /leat-platform

FROM platform AS flows-operator
ENTRYPOINT ["/leat-platform", "operator"]

FROM platform AS scheduler
ENTRYPOINT ["/leat-platform", "scheduler"]

FROM platform AS communication-router
EXPOSE 1234
ENTRYPOINT ["/leat-platform", "router"]

FROM platform AS api
EXPOSE 3000
ENTRYPOINT ["/leat-platform", "api"]

# A step whose image has a built-in stand-in: the argument is its name.
FROM base AS components
COPY --from=build /leat /leat
ENTRYPOINT ["/leat", "component"]
