package api

// Audience is whom tokens are for that are made to talk to Leat's API, and to nothing else.
const Audience = "leat"

// TokenHeader may carry a person's token in place of Authorization, which the API server of a cluster keeps to itself when it's the proxy before a
// service.
const TokenHeader = "X-Leat-Token"
