package scsbridge

import (
	"context"
	"time"
)

// typed returns v where it is a T, and else the zero T.
func typed[T any](v any) T {
	t, _ := v.(T)
	return t
}

// GetString is Get for a string: the empty string where there is no value or one of another type.
func (s *SessionManager) GetString(ctx context.Context, key string) string {
	return typed[string](s.Get(ctx, key))
}

// GetBool is Get for a bool: false where there is no value or one of another type.
func (s *SessionManager) GetBool(ctx context.Context, key string) bool {
	return typed[bool](s.Get(ctx, key))
}

// GetInt is Get for a int: 0 where there is no value or one of another type.
func (s *SessionManager) GetInt(ctx context.Context, key string) int {
	return typed[int](s.Get(ctx, key))
}

// GetInt64 is Get for a int64: 0 where there is no value or one of another type.
func (s *SessionManager) GetInt64(ctx context.Context, key string) int64 {
	return typed[int64](s.Get(ctx, key))
}

// GetInt32 is Get for a int32: 0 where there is no value or one of another type.
func (s *SessionManager) GetInt32(ctx context.Context, key string) int32 {
	return typed[int32](s.Get(ctx, key))
}

// GetFloat is Get for a float64: 0 where there is no value or one of another type.
func (s *SessionManager) GetFloat(ctx context.Context, key string) float64 {
	return typed[float64](s.Get(ctx, key))
}

// GetBytes is Get for a []byte: nil where there is no value or one of another type.
func (s *SessionManager) GetBytes(ctx context.Context, key string) []byte {
	return typed[[]byte](s.Get(ctx, key))
}

// GetTime is Get for a time.Time: the zero time where there is no value or one of another type.
func (s *SessionManager) GetTime(ctx context.Context, key string) time.Time {
	return typed[time.Time](s.Get(ctx, key))
}

// PopString is Pop for a string: the empty string where there is no value or one of another type,
// which is removed too.
func (s *SessionManager) PopString(ctx context.Context, key string) string {
	return typed[string](s.Pop(ctx, key))
}

// PopBool is Pop for a bool: false where there is no value or one of another type,
// which is removed too.
func (s *SessionManager) PopBool(ctx context.Context, key string) bool {
	return typed[bool](s.Pop(ctx, key))
}

// PopInt is Pop for a int: 0 where there is no value or one of another type,
// which is removed too.
func (s *SessionManager) PopInt(ctx context.Context, key string) int {
	return typed[int](s.Pop(ctx, key))
}

// PopFloat is Pop for a float64: 0 where there is no value or one of another type,
// which is removed too.
func (s *SessionManager) PopFloat(ctx context.Context, key string) float64 {
	return typed[float64](s.Pop(ctx, key))
}

// PopBytes is Pop for a []byte: nil where there is no value or one of another type,
// which is removed too.
func (s *SessionManager) PopBytes(ctx context.Context, key string) []byte {
	return typed[[]byte](s.Pop(ctx, key))
}

// PopTime is Pop for a time.Time: the zero time where there is no value or one of another type,
// which is removed too.
func (s *SessionManager) PopTime(ctx context.Context, key string) time.Time {
	return typed[time.Time](s.Pop(ctx, key))
}
