package message

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
)

// Protocol versions of an encrypted body, in the integer header "protocolVersion" (contract.md 3.2).
const (
	ProtocolBase64 = 1 // base64 text; the only form that every generation reads, and the default
	ProtocolRaw    = 2 // the ciphertext as it is
)

// Cipher encrypts and decrypts bodies: AES-256-CBC, key SHA-256 of the password, one IV for all messages (contract.md 3.2). A nil Cipher is
// the plain mode, in which bodies are JSON text. It's safe for concurrent use.
type Cipher struct {
	block cipher.Block
	iv    []byte

	scratch sync.Pool // of *[]byte, for ciphertext on its way to base64
}

// scratchMax is the largest buffer in bytes that is kept for the next message.
const scratchMax = 64 << 10

// NewCipher returns the cipher of a flow. Both strings are what components get as ELASTICIO_MESSAGE_CRYPTO_PASSWORD and _IV; with an empty
// password the result is nil, the plain mode.
func NewCipher(password, iv string) (*Cipher, error) {
	if password == "" {
		return nil, nil
	}
	if len(iv) != aes.BlockSize {
		return nil, fmt.Errorf("message crypto IV: expected %d bytes, found %d", aes.BlockSize, len(iv))
	}
	key := sha256.Sum256([]byte(password))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("message cipher: %w", err)
	}
	c := &Cipher{block: block, iv: []byte(iv)}
	c.scratch.New = func() any { return new([]byte) }
	return c, nil
}

// Encrypt returns what goes on the wire for plain, in protocol version 1, or plain itself in plain mode.
func (c *Cipher) Encrypt(plain []byte) []byte {
	if c == nil {
		return plain
	}
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	scratch := c.scratch.Get().(*[]byte)
	defer c.scratch.Put(scratch)
	raw := append((*scratch)[:0], plain...)
	for range pad {
		raw = append(raw, byte(pad))
	}
	if cap(raw) <= scratchMax {
		*scratch = raw
	}
	cipher.NewCBCEncrypter(c.block, c.iv).CryptBlocks(raw, raw)
	text := make([]byte, base64.StdEncoding.EncodedLen(len(raw)))
	base64.StdEncoding.Encode(text, raw)
	return text
}

// Size returns how long Encrypt's result is for n bytes.
func (c *Cipher) Size(n int) int {
	if c == nil {
		return n
	}
	return base64.StdEncoding.EncodedLen(n + aes.BlockSize - n%aes.BlockSize)
}

// Decrypt returns the plain text of a body, version being its protocol version. It works in place: body is overwritten, and the
// result shares its memory.
func (c *Cipher) Decrypt(body []byte, version int) ([]byte, error) {
	if len(body) == 0 {
		return nil, errors.New("decrypt message: it is empty")
	}
	if c == nil {
		return body, nil
	}
	if version < ProtocolRaw {
		n, err := base64.StdEncoding.Decode(body, body)
		if err != nil {
			return nil, fmt.Errorf("decrypt message: not base64, as protocol version 1 has to be: %w", err)
		}
		body = body[:n]
	}
	if len(body) == 0 || len(body)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("decrypt message: %d bytes, not a multiple of %d", len(body), aes.BlockSize)
	}
	cipher.NewCBCDecrypter(c.block, c.iv).CryptBlocks(body, body)
	pad := int(body[len(body)-1])
	if pad == 0 || pad > aes.BlockSize || pad > len(body) {
		return nil, errWrongKey
	}
	for _, b := range body[len(body)-pad:] {
		if int(b) != pad {
			return nil, errWrongKey
		}
	}
	return body[:len(body)-pad], nil
}

var errWrongKey = errors.New("decrypt message: bad padding: it was encrypted with another password or IV")
