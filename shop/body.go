package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"unicode/utf8"

	"github.com/holdfast-go/session"
)

const maxBody = 4 << 10 // bytes

// The browser's forms and programs' JSON go to the same routes. The content
// type tells which it is, and with it how the answer looks.
const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

func isForm(r *http.Request) bool { return contentType(r) == formType }

func contentType(r *http.Request) string {
	t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return t
}

// formSession reads the form into r.PostForm, and then the session.
func formSession(w http.ResponseWriter, r *http.Request) (*session.Session, error) {
	if err := readForm(w, r); err != nil {
		return nil, err
	}
	return session.From(r.Context())
}

// readForm fills r.PostForm.
func readForm(w http.ResponseWriter, r *http.Request) error {
	if !isForm(r) {
		return wrongType(formType)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	return readError(r.ParseForm())
}

// readObject returns the body, if it is one JSON object.
func readObject(w http.ResponseWriter, r *http.Request) (json.RawMessage, error) {
	if contentType(r) != jsonType {
		return nil, wrongType(jsonType)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, readError(err)
	}
	body = bytes.TrimSpace(body)
	if !bytes.HasPrefix(body, []byte("{")) || !json.Valid(body) || !utf8.Valid(body) {
		return nil, &refusal{http.StatusBadRequest, "Not understood", "The body must be one JSON object."}
	}
	return body, nil
}

func readError(err error) error {
	if err == nil {
		return nil
	}
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return &refusal{http.StatusRequestEntityTooLarge, "Too much at once", "The body may have 4 KB."}
	}
	return &refusal{http.StatusBadRequest, "Not understood", "The body could not be read."}
}

func wrongType(want string) error {
	return &refusal{http.StatusUnsupportedMediaType, "Not understood", "The content type must be " + want + "."}
}

// reply answers a program. The answer belongs to one visitor, so no cache may keep it.
func reply(w http.ResponseWriter, code int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // the shop's own values always encode
	}
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	w.Write(append(body, '\n'))
}
