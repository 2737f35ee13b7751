package core

import "fmt"

// Reply codes of AMQP 0-9-1 section 1.2 that the broker uses.
const (
	CodeNoRoute            = 312
	CodeContentTooLarge    = 311
	CodeConnectionForced   = 320
	CodeInvalidPath        = 402
	CodeAccessRefused      = 403
	CodeNotFound           = 404
	CodeResourceLocked     = 405
	CodePreconditionFailed = 406
	CodeFrameError         = 501
	CodeSyntaxError        = 502
	CodeCommandInvalid     = 503
	CodeChannelError       = 504
	CodeUnexpectedFrame    = 505
	CodeResourceError      = 506
	CodeNotAllowed         = 530
	CodeNotImplemented     = 540
	CodeInternalError      = 541
)

// Error is a refusal as AMQP puts it: it closes the channel, or the connection when Connection says so.
type Error struct {
	Code uint16
	Text string // with the code's name in front, as in "NOT_FOUND - no queue 'x' in vhost '/'"
}

// Error is the reply text.
func (e *Error) Error() string { return e.Text }

// Connection says whether the error ends the whole connection (a hard error) or just the channel.
func (e *Error) Connection() bool {
	switch e.Code {
	case CodeContentTooLarge, CodeAccessRefused, CodeNotFound, CodeResourceLocked, CodePreconditionFailed:
		return false
	}
	return true
}

// codeName is the constant's name in the specification, which RabbitMQ puts in front of every reply text.
func codeName(code uint16) string {
	switch code {
	case CodeContentTooLarge:
		return "CONTENT_TOO_LARGE"
	case CodeConnectionForced:
		return "CONNECTION_FORCED"
	case CodeInvalidPath:
		return "INVALID_PATH"
	case CodeAccessRefused:
		return "ACCESS_REFUSED"
	case CodeNotFound:
		return "NOT_FOUND"
	case CodeResourceLocked:
		return "RESOURCE_LOCKED"
	case CodePreconditionFailed:
		return "PRECONDITION_FAILED"
	case CodeFrameError:
		return "FRAME_ERROR"
	case CodeSyntaxError:
		return "SYNTAX_ERROR"
	case CodeCommandInvalid:
		return "COMMAND_INVALID"
	case CodeChannelError:
		return "CHANNEL_ERROR"
	case CodeUnexpectedFrame:
		return "UNEXPECTED_FRAME"
	case CodeResourceError:
		return "RESOURCE_ERROR"
	case CodeNotAllowed:
		return "NOT_ALLOWED"
	case CodeNotImplemented:
		return "NOT_IMPLEMENTED"
	}
	return "INTERNAL_ERROR"
}

// Errorf makes an Error whose text starts with the name of code.
func Errorf(code uint16, format string, args ...any) *Error {
	text := codeName(code) + " - " + fmt.Sprintf(format, args...)
	return &Error{Code: code, Text: text}
}
