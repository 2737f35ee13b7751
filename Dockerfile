# The images of Leat, one target each: docker build --target flows-operator -t openintegrationhub/flows-operator .
# `make images` packs the same ones without Docker; it reads this file.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /leat ./cmd/leat

# Time zones are in the binary. It runs with a read-only root file system, and writes nowhere but to volumes.
FROM scratch AS leat
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /leat /leat
USER 65532:65532

FROM leat AS flows-operator
ENTRYPOINT ["/leat", "operator"]

FROM leat AS scheduler
ENTRYPOINT ["/leat", "scheduler"]

FROM leat AS communication-router
EXPOSE 1234
ENTRYPOINT ["/leat", "router"]

FROM leat AS api
EXPOSE 3000
ENTRYPOINT ["/leat", "api"]

# A step whose image has a built-in stand-in: the argument is its name.
FROM leat AS components
ENTRYPOINT ["/leat", "component"]
