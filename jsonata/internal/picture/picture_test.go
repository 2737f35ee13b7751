package picture_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/openintegrationhub/leat/jsonata/internal/picture"
)

func code(err error) string {
	var e *picture.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestFormatInteger(t *testing.T) {
	for _, c := range []struct {
		v             float64
		picture, want string
	}{
		{1234567, "#,##0", "1,234,567"}, {1234567890, "#:###,##0", "1234:567,890"}, {125, "#:##0,00", ":,25"}, {-7, "000", "-007"}, {11, "0;o", "11th"}, {22, "0;o", "22nd"},
		{123, "\u0660", "\u0661\u0662\u0663"}, {1999, "I", "MCMXCIX"}, {4, "i", "iv"}, {28, "A", "AB"}, {27, "a", "aa"},
		{555, "W", "FIVE HUNDRED AND FIFTY-FIVE"}, {20, "w;o", "twentieth"}, {1000000, "Ww", "One Million"},
		{1e15, "w", "one thousand trillion"}, {0, "w", "zero"}, {5, "#", "D3130"}, {5, "0\u0660", "D3131"}, {1e8, "I", "D3130"},
	} {
		got, err := picture.FormatInteger(c.v, c.picture)
		if err != nil {
			got = code(err)
		}
		if got != c.want {
			t.Errorf("%v as %q: got %q, want %q", c.v, c.picture, got, c.want)
		}
	}
}

func TestParseIntegerUndoesFormatInteger(t *testing.T) {
	for _, p := range []string{"0", "#,##0", "000;o", "w", "W;o", "Ww", "I", "i", "A", "a", "\u0660"} {
		for v := 1.0; v < 4000; v = v*2 + 3 {
			s, err := picture.FormatInteger(v, p)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := picture.ParseInteger(s, p); err != nil || got != v {
				t.Errorf("%q by %q: got %v, %v, want %v", s, p, got, err, v)
			}
		}
	}
}

func TestFormatNumberRefuses(t *testing.T) {
	for p, want := range map[string]string{"0;0;0": "D3080", "0.0.0": "D3081", "0%%": "D3082", "0\u2030\u2030": "D3083", "0%\u2030": "D3084", ".": "D3085",
		"0a0": "D3086", "0,.0": "D3087", "0,": "D3088", "0,,0": "D3089", "0#.0": "D3090", "0.#0": "D3091", "0e0%": "D3092", "0e#": "D3093"} {
		_, err := picture.ParseNumber(p, picture.DefaultSymbols())
		if code(err) != want {
			t.Errorf("%q: got %v, want %s", p, err, want)
		}
	}
}

func TestDatesComeBack(t *testing.T) {
	for _, p := range []string{picture.ISO[:len(picture.ISO)-len("[Z01:01t]")], "[Y]-[M]-[D] [H]:[m]:[s].[f001]", "[D1o] [MNn] [Y], [h]:[m01]:[s01].[f001] [P]",
		"[FNn] [D01]/[M01]/[Y0001] [H01]:[m01]:[s01].[f001]"} {
		for _, at := range []time.Time{time.Date(2024, 2, 29, 0, 0, 1, 0, time.UTC), time.Date(1999, 12, 31, 23, 59, 59, 999e6, time.UTC), time.Date(2026, 11, 22, 12, 30, 7, 5e6, time.UTC)} {
			s, err := picture.FormatDateTime(float64(at.UnixMilli()), p, "0000")
			if err != nil {
				t.Fatal(err)
			}
			got, ok, err := picture.ParseDateTime(s, p, time.Unix(0, 0))
			if err != nil || !ok || got != float64(at.UnixMilli()) {
				t.Errorf("%q by %q: got %v, %v, %v, want %v", s, p, got, ok, err, at.UnixMilli())
			}
		}
	}
}

func TestWeeks(t *testing.T) {
	for day, want := range map[string]string{"2009-01-01": "2009 1 4", "2010-01-02": "2009 53 6", "2018-12-31": "2019 1 1", "2017-01-01": "2016 52 7"} {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		year, week := at.ISOWeek()
		got, err := picture.FormatDateTime(float64(at.UnixMilli()), "[X] [W] [F1]", "0000")
		if err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s (Go says %d %d)", day, got, err, want, year, week)
		}
	}
}

func TestParseISO(t *testing.T) {
	for s, want := range map[string]float64{"2018": 1514764800000, "2018-02-30": 1519948800000, "2018-03-23T10:33:36.6174321Z": 1521801216617,
		"2018-03-23T10:33:36+0530": 1521781416000} {
		if got, ok := picture.ParseISO(s); !ok || got != want {
			t.Errorf("%s: got %v, %v, want %v", s, got, ok, want)
		}
	}
	if got, ok := picture.ParseISO("2018-13-01"); !ok || !math.IsNaN(got) {
		t.Errorf("month 13: got %v, %v", got, ok)
	}
	if _, ok := picture.ParseISO("2018-03-23 10:33"); ok {
		t.Error("a space is no T")
	}
}
