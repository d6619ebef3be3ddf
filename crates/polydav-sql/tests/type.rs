//! Values of every type of column: what is given is kept, what is kept is told, and what is told can
//! be given again. What can't be kept is refused, and the column named.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod world;

use polydav_store::kit::{add, content, found, json, path, put_record, tell, text, update};
use polydav_store::{Field, Store, Value};
use world::{Database, bytes, columns, given_by, listed, record};

/// A type, and values of it: each as it is given, and as the content of the record has it.
type Type = (&'static str, Vec<(Value, String)>);

/// A type, and values that are none of it.
type Other = (&'static str, Vec<Value>);

/// JSON values that are told as they are given.
fn same(values: &[&str]) -> Vec<(Value, String)> {
    values.iter().map(|value| (json(value), (*value).to_owned())).collect()
}

/// JSON values, and what is told of them.
fn told(values: &[(&str, &str)]) -> Vec<(Value, String)> {
    values.iter().map(|(given, told)| (json(given), (*told).to_owned())).collect()
}

/// Texts, and what is told of them.
fn texts(values: &[(&str, &str)]) -> Vec<(Value, String)> {
    values.iter().map(|(given, told)| (text(given), (*told).to_owned())).collect()
}

/// Texts that are told as strings.
fn strings(values: &[&str]) -> Vec<(Value, String)> {
    values.iter().map(|value| (text(value), string(value))).collect()
}

fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Texts with everything in them that some writer or reader of texts has stumbled over.
fn odd_texts() -> Vec<(Value, String)> {
    let mut all = strings(&[
        "",
        " ",
        "\t a \n",
        "NULL",
        "null",
        "007",
        "1e3",
        "'; DROP TABLE x; --",
        "\"\\'`$1 ?1 {} \u{1} \u{7f}",
        "ü \u{75}\u{308} \u{1f469}\u{200d}\u{1f680} \u{202e} \u{feff} \u{fffd} \u{10ffff}",
    ]);
    all.extend(told(&[(r#""\u00fc\ud83d\ude80\/""#, "\"ü\u{1f680}/\"")]));
    all.push((bytes("ü".as_bytes()), "\"ü\"".to_owned()));
    all
}

/// Longer than what is read at once.
fn long_texts() -> Vec<(Value, String)> {
    strings(&["0123456789abcdef".repeat(1 << 16).as_str(), "a"])
}

fn all_bytes() -> Vec<(Value, String)> {
    let all: Vec<u8> = (0..=255).collect();
    vec![
        (bytes(b""), r#""""#.to_owned()),
        (bytes(b"\0\xff"), r#""AP8=""#.to_owned()),
        (text("AP8="), r#""AP8=""#.to_owned()),
        (text("AP\n8="), r#""AP8=""#.to_owned()),
        (json(r#""AP8=""#), r#""AP8=""#.to_owned()),
        (bytes(&all), string(&base64(&all))),
    ]
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The types of PostgreSQL.
fn of_postgres() -> Vec<Type> {
    let mut types = vec![
        ("smallint", same(&["0", "-32768", "32767"])),
        ("integer", same(&["-2147483648", "2147483647"])),
        ("bigint", same(&["-9223372036854775808", "9223372036854775807"])),
        ("bigint", texts(&[("007", "7"), ("-0", "0")])),
        ("bigint", told(&[("\"42\"", "42")])),
        ("oid", same(&["0", "4294967295"])),
        ("real", same(&["0.1", "-0.0", "1e-45", "3.4028235e38", "16777216.0"])),
        ("real", told(&[("1", "1.0"), ("\"NaN\"", "\"NaN\""), ("\"Infinity\"", "\"Infinity\"")])),
        ("double precision", same(&["0.1", "-0.0", "5e-324", "1.7976931348623157e308", "1e22"])),
        ("double precision", same(&["0.30000000000000004", "123456789.12345679"])),
        ("double precision", told(&[("7", "7.0"), ("\"-Infinity\"", "\"-Infinity\"")])),
        ("text", odd_texts()),
        ("text", long_texts()),
        ("character varying", odd_texts()),
        ("character varying(3)", strings(&["", "a", "üöä"])),
        ("character(3)", texts(&[("abc", "\"abc\""), ("a ", "\"a\""), ("", "\"\"")])),
        ("name", strings(&["", "a b"])),
        ("bytea", all_bytes()),
        ("boolean", same(&["true", "false"])),
        ("boolean", texts(&[("t", "true"), ("0", "false")])),
        ("xml", strings(&["<a>b</a>"])),
    ];
    types.extend(numbers());
    types.extend(times());
    types.extend(others());
    types.extend(arrays());
    types
}

fn numbers() -> Vec<Type> {
    vec![
        (
            "numeric",
            told(&[
                ("1.50", "\"1.50\""),
                ("\"0.000\"", "\"0.000\""),
                ("1e3", "\"1000\""),
                ("1E-3", "\"0.001\""),
                ("\"NaN\"", "\"NaN\""),
                (
                    "\"-1234567890123456789012345678901234567890.12345678901234567890\"",
                    "\"-1234567890123456789012345678901234567890.12345678901234567890\"",
                ),
                (
                    "1234567890123456789012345678901234567890",
                    "\"1234567890123456789012345678901234567890\"",
                ),
            ]),
        ),
        ("numeric", texts(&[("+5", "\"5\""), (".5", "\"0.5\"")])),
        ("numeric", texts(&[("Infinity", "\"Infinity\""), ("-Infinity", "\"-Infinity\"")])),
        ("numeric(10,2)", told(&[("1", "\"1.00\""), ("1.5", "\"1.50\"")])),
        ("numeric(5,-3)", told(&[("12000", "\"12000\"")])),
        ("money", strings(&["$1,234.50", "-$0.01"])),
    ]
}

fn times() -> Vec<Type> {
    vec![
        ("date", strings(&["2024-02-29", "infinity", "-infinity", "0044-03-15 BC", "12345-01-01"])),
        ("time", strings(&["00:00:00", "24:00:00", "23:59:59.999999"])),
        ("timetz", strings(&["12:00:00+02", "12:00:00.000001-11:30"])),
        (
            "timestamp",
            strings(&[
                "2024-02-29T12:00:00",
                "2024-02-29T12:00:00.000001",
                "infinity",
                "-infinity",
                "0044-03-15T12:00:00 BC",
                "12345-01-01T00:00:00",
            ]),
        ),
        (
            "timestamptz",
            texts(&[
                ("2024-02-29 12:00:00.5+02", "\"2024-02-29T10:00:00.5+00:00\""),
                ("2024-02-29T12:00:00Z", "\"2024-02-29T12:00:00+00:00\""),
                ("infinity", "\"infinity\""),
                ("0044-03-15 12:00:00+00 BC", "\"0044-03-15T12:00:00+00:00 BC\""),
            ]),
        ),
        (
            "interval",
            texts(&[
                ("1 year 2 mons -3 days 04:05:06.789", "\"P1Y2M-3DT4H5M6.789S\""),
                ("PT0S", "\"PT0S\""),
                ("-1 mon +2 days", "\"P-1M2D\""),
            ]),
        ),
    ]
}

fn others() -> Vec<Type> {
    vec![
        (
            "uuid",
            texts(&[(
                "{A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11}",
                "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"",
            )]),
        ),
        (
            "json",
            told(&[
                (
                    r#"{"b":1,"a":[null,{"c":"\u00fc"}],"b":2}"#,
                    r#"{"b":1,"a":[null,{"c":"\u00fc"}],"b":2}"#,
                ),
                ("123456789012345678901234567890.10", "123456789012345678901234567890.10"),
                ("{\n  \"a\": \" \\\" \\n\\\\\" ,\t\"b\" : [ ]\r\n}", r#"{"a":" \" \n\\","b":[]}"#),
                ("true", "true"),
                ("\"x\"", "\"x\""),
            ]),
        ),
        ("json", texts(&[("[1, 2]", "[1,2]"), ("\"1\"", "\"1\"")])),
        (
            "jsonb",
            told(&[
                (r#"{"b": 1, "a": [null, {}], "b": 2}"#, r#"{"a":[null,{}],"b":2}"#),
                ("123456789012345678901234567890.10", "123456789012345678901234567890.10"),
                ("false", "false"),
                (r#""a b\u0001""#, r#""a b\u0001""#),
            ]),
        ),
        ("mood", strings(&["sad", "o k'\""])),
        ("positive", same(&["1", "2147483647"])),
        ("short", strings(&["abc", ""])),
        ("words", same(&[r#"["a","b"]"#])),
        ("pair", strings(&["(1,\"a \"\",b\")", "(,)"])),
        ("int4range", texts(&[("[1,3]", "\"[1,4)\""), ("empty", "\"empty\""), ("(,)", "\"(,)\"")])),
        ("tstzrange", strings(&["[\"2024-01-01 00:00:00+00\",infinity)"])),
        ("int4multirange", strings(&["{[1,3),[5,9)}", "{}"])),
        ("inet", strings(&["10.0.0.1", "::1", "10.0.0.0/8"])),
        ("cidr", strings(&["10.0.0.0/8"])),
        ("macaddr", strings(&["08:00:2b:01:02:03"])),
        ("bit(3)", strings(&["101"])),
        ("bit varying(5)", strings(&["", "10101"])),
        ("point", strings(&["(1,2)"])),
        ("box", strings(&["(3,4),(1,2)"])),
        ("tsvector", strings(&["'a' 'b':1"])),
        ("citext", strings(&["aBc"])),
        ("hstore", strings(&["\"a\"=>NULL"])),
    ]
}

fn arrays() -> Vec<Type> {
    vec![
        ("integer[]", same(&["[]", "[1,null,-3]", "[[1,2],[3,4]]", "[[[1]],[[2]]]"])),
        ("integer[]", texts(&[("[1,2]", "[1,2]")])),
        ("bigint[]", same(&["[9223372036854775807]"])),
        (
            "text[]",
            same(&[r#"["a,b","{}","\"","\\","NULL",null,""," ","ü\n"]"#, r#"[["a"],["b"]]"#]),
        ),
        ("character varying(3)[]", same(&[r#"["abc"]"#])),
        ("boolean[]", same(&["[true,false,null]"])),
        ("double precision[]", same(&["[0.1,\"NaN\",\"-Infinity\"]"])),
        ("numeric[]", same(&["[1.50,123456789012345678901234567890]"])),
        ("uuid[]", same(&[r#"["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]"#])),
        ("date[]", same(&[r#"["2024-02-29","infinity"]"#])),
        ("timestamptz[]", same(&[r#"["2024-02-29T12:00:00+00:00"]"#])),
        ("bytea[]", same(&[r#"["\\x00ff"]"#])),
        ("mood[]", same(&[r#"["sad"]"#])),
        ("inet[]", same(&[r#"["10.0.0.1"]"#])),
        ("int4range[]", same(&[r#"["[1,4)"]"#])),
        ("jsonb[]", strings(&[r#"{"{\"a\": [1, \"x\"]}",[1],"\"s\"",NULL}"#])),
        ("pair[]", strings(&[r#"{"(1,\"a b\")"}"#])),
        ("box[]", strings(&["{(3,4),(1,2);(1,1),(0,0)}"])),
    ]
}

const POSTGRES_TYPES: &str = "
CREATE EXTENSION citext; CREATE EXTENSION hstore;
CREATE TYPE mood AS ENUM ('sad', 'o k''\"');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN short AS varchar(3);
CREATE DOMAIN words AS text[];
CREATE TYPE pair AS (a integer, b text);
";

/// The types of SQLite: a few, and all the names that people give them.
fn of_sqlite() -> Vec<Type> {
    let integers = || same(&["0", "-9223372036854775808", "9223372036854775807"]);
    let reals = || same(&["0.1", "-1.5", "5e-324", "1.7976931348623157e308", "1e22", "7.0"]);
    vec![
        ("INTEGER", integers()),
        ("INT", integers()),
        ("BIGINT UNSIGNED", integers()),
        ("TINYINT(1)", integers()),
        ("REAL", reals()),
        ("REAL", told(&[("\"Infinity\"", "\"Infinity\""), ("7", "7.0")])),
        ("DOUBLE PRECISION", reals()),
        ("FLOAT", reals()),
        ("TEXT", odd_texts()),
        ("TEXT", long_texts()),
        ("VARCHAR(3)", odd_texts()),
        ("NCHAR(3)", odd_texts()),
        ("CLOB", odd_texts()),
        ("BLOB", all_bytes()),
        ("VARBINARY(9)", all_bytes()),
        ("BOOLEAN", same(&["true", "false"])),
        ("BOOL", texts(&[("t", "true"), ("1", "true"), ("false", "false")])),
        ("JSON", same(&[r#"{"b":[1,null],"b":2}"#, "[]", "\"x\"", "true", "7", "1.5"])),
        ("JSON", told(&[("{ \"a\" :\n1 }", "{\"a\":1}")])),
        (
            "DECIMAL(20,10)",
            told(&[("1.5", "\"1.5\""), ("\"123456789012345\"", "\"123456789012345\"")]),
        ),
        ("NUMERIC", told(&[("-0.25", "\"-0.25\""), ("7", "\"7\"")])),
        ("DATE", strings(&["2024-02-29", ""])),
        ("DATE", same(&["1700000000", "2460370.5"])),
        ("DATETIME", strings(&["2024-02-29 12:00:00"])),
        ("TIMESTAMP", same(&["1700000000"])),
        ("UUID", strings(&["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"])),
        ("STRING", strings(&["abc", "", "ü"])),
        ("", same(&["7", "-1.5", "\"x\"", "\"7\""])),
    ]
}

fn of_strict_sqlite() -> Vec<Type> {
    vec![
        ("INTEGER", same(&["0", "-9223372036854775808", "9223372036854775807"])),
        ("INT", same(&["7"])),
        ("REAL", same(&["0.1", "7.0"])),
        ("TEXT", odd_texts()),
        ("BLOB", all_bytes()),
        ("ANY", same(&["7", "-1.5", "\"x\"", "\"7\"", "\"1e3\""])),
    ]
}

/// A table `t0`, `t1`, … for each type, with a key and one column `v` of it.
fn tables<'a>(types: impl Iterator<Item = &'a str>, more: &str) -> String {
    let table = |(at, of)| format!("CREATE TABLE t{at} (id INTEGER PRIMARY KEY, v {of}){more};\n");
    types.enumerate().map(table).collect()
}

/// Each value is put, added, and set by an update; what is told of it is put again in both forms.
/// All five rows are the same, told and kept.
fn round_trip(database: &Database, types: &[Type]) {
    let store = &database.open();
    for (at, (of, values)) in types.iter().enumerate() {
        for (case, (given, expected)) in values.iter().enumerate() {
            let table = format!("t{at}");
            let base = case * 10;
            let row = |number| format!("{table}/{}", base + number);
            let what = format!("{of} given {given:.200?}");
            let id = (base + 1).to_string();
            let verdicts = tell(
                store,
                [
                    put_record(row(0), [("v", given.clone())]),
                    add(&table, [("id", text(&id)), ("v", given.clone())]),
                    put_record(row(2), []),
                    update(row(2), [("v", given.clone())]),
                ],
            );
            assert_eq!(verdicts, ["created", "created", "created", "done"], "{what}");
            let expected = |number| format!("{{\"id\":{},\"v\":{expected}}}", base + number);
            assert!(record(store, row(0)) == expected(0), "{what}: {:.300}", record(store, row(0)));
            let value = |fields: Vec<Field>| {
                fields.into_iter().find(|field| &*field.name == "v").unwrap().value
            };
            let json = value(given_by(&record(store, row(0))));
            // A text doesn't say whether it was a number, and these columns would take both.
            let column = match *of {
                "" | "ANY" => json.clone(),
                _ => value(columns(store, row(0))),
            };
            let again = [
                put_record(row(3), [("v", json.clone())]),
                put_record(row(4), [("v", column.clone())]),
            ];
            assert_eq!(tell(store, again), ["created", "created"], "{what}, told as {json:.200?}");
            let entry = found(store, row(4));
            assert_eq!(entry.length, expected(4).len() as u64, "{what}");
            for number in 1..5 {
                let told = record(store, row(number));
                assert!(told == expected(number), "{what}, row {number}: {told:.300}");
            }
            let expected: Vec<_> = (0..5).map(expected).collect();
            assert!(listed(store, &table)[case * 5..] == expected, "{what}, listed");
        }
    }
    assert_same(database, types);
}

/// Rows of ten numbers each are the same to the database.
fn assert_same(database: &Database, types: &[Type]) {
    let differing = |(at, (of, _)): (usize, &Type)| {
        let kept = match *of {
            // What was told is without the spaces that were given.
            "JSON" => "replace(replace(v, ' ', ''), char(10), '')",
            "json" => "regexp_replace(v::text, '\\s', '', 'g')",
            _ if database.is_sqlite() => "typeof(v) || quote(v)",
            _ => "v::text",
        };
        format!(
            "SELECT 't{at}', id / 10 FROM t{at} GROUP BY id / 10 \
             HAVING count(DISTINCT {kept}) > 1 OR count(v) NOT IN (0, 5)"
        )
    };
    let differing: Vec<_> = types.iter().enumerate().map(differing).collect();
    assert_eq!(database.sql(&differing.join(" UNION ALL ")), "");
}

#[test]
fn values_of_sqlite_make_the_round_trip() {
    let types = of_sqlite();
    let sql = tables(types.iter().map(|(of, _)| *of), "");
    round_trip(&Database::sqlite(&sql), &types);
}

#[test]
fn values_of_strict_sqlite_make_the_round_trip() {
    let types = of_strict_sqlite();
    let sql = tables(types.iter().map(|(of, _)| *of), " STRICT");
    round_trip(&Database::sqlite(&sql), &types);
}

#[test]
fn values_of_postgres_make_the_round_trip() {
    if conformance::require_postgres() {
        let types = of_postgres();
        let sql = tables(types.iter().map(|(of, _)| *of), "");
        round_trip(&Database::postgres(&(POSTGRES_TYPES.to_owned() + &sql)), &types);
    }
}

/// Values that are none of their column's type, in PostgreSQL.
fn not_of_postgres() -> Vec<Other> {
    let mut types = vec![
        ("smallint", wrong(&["32768", "-32769", "\"x\"", "1.5", "1e2", "true", "\"\"", "[1]"])),
        ("integer", wrong(&["2147483648", "\" 1\"", "\"0x1\"", "{}"])),
        ("bigint", wrong(&["9223372036854775808", "-9223372036854775809"])),
        ("oid", wrong(&["-1", "4294967296"])),
        ("real", wrong(&["1e39", "1e-60", "\"x\"", "\"\"", "\"inf\"", "true"])),
        ("double precision", wrong(&["1e400", "\"1e\"", "\"0x1p3\""])),
        ("text", wrong(&["7", "true", "{}", "[]", r#""\u0000""#, r#""\ud800""#])),
        ("text", vec![bytes(b"\xff"), text("a\0")]),
        ("character varying(3)", wrong(&["\"abcd\"", "7"])),
        ("character(3)", wrong(&["\"abcd\""])),
        ("bytea", wrong(&["\"*\"", "7", "\"AP8\""])),
        ("boolean", wrong(&["1", "\"yes\"", "\"\""])),
        ("numeric", wrong(&["\"x\"", "\"\"", "\"1_0\"", "\"1e\"", "true", "1e200000"])),
        ("numeric(10,2)", wrong(&["123456789"])),
        ("money", wrong(&["\"x\"", "7"])),
        ("date", wrong(&["\"2024-02-30\"", "\"x\"", "\"\"", "20240229"])),
        ("time", wrong(&["\"25:00\""])),
        ("timestamp", wrong(&["\"2024-01-01T25:00:00\"", "1700000000"])),
        ("timestamptz", wrong(&["\"2024-01-01 00:00 Nowhere/City\""])),
        ("interval", wrong(&["\"1 parsec\""])),
    ];
    types.extend(not_of_others());
    types
}

fn not_of_others() -> Vec<Other> {
    vec![
        ("uuid", wrong(&["\"x\"", "\"\"", "7"])),
        ("json", vec![text("{"), text(""), text("{'a':1}"), text("[1] 2"), bytes(b"\xff")]),
        ("jsonb", wrong(&[r#""\u0000""#, "1e200000"])),
        ("mood", wrong(&["\"angry\"", "\"\""])),
        ("positive", wrong(&["0", "\"x\"", "2147483648"])),
        ("short", wrong(&["\"abcd\""])),
        ("words", wrong(&["{}", "\"x\""])),
        ("pair", wrong(&["\"x\"", "\"(x,)\"", "{}"])),
        ("int4range", wrong(&["\"[3,1]\"", "\"x\""])),
        ("int4multirange", wrong(&["\"{[3,1]}\""])),
        ("inet", wrong(&["\"300.0.0.1\""])),
        ("cidr", wrong(&["\"10.0.0.1/8\""])),
        ("bit(3)", wrong(&["\"10101\"", "\"10\"", "\"2\""])),
        ("bit varying(5)", wrong(&["\"101010\""])),
        ("point", wrong(&["\"(1)\""])),
        ("tsvector", wrong(&["\"'\""])),
        ("xml", wrong(&["\"<a>\""])),
        ("integer[]", wrong(&["[\"x\"]", "[[1],[2,3]]", "[1,[2]]", "7", "\"x\"", "[1.5]", "{}"])),
        ("text[]", wrong(&[r#"["\u0000"]"#, r#"["\ud800"]"#])),
        ("character varying(3)[]", wrong(&["[\"abcd\"]"])),
        ("mood[]", wrong(&["[\"angry\"]"])),
        ("jsonb[]", wrong(&["\"x\"", "[{}]"])),
    ]
}

/// The same in SQLite, which by itself takes almost everything.
fn not_of_sqlite() -> Vec<Other> {
    vec![
        ("INTEGER", wrong(&["9223372036854775808", "\"x\"", "1.5", "true", "\"\"", "[]"])),
        ("REAL", wrong(&["\"x\"", "\"NaN\"", "1e400", "true"])),
        ("TEXT", wrong(&["7", "true", "{}", r#""\u0000""#, r#""\ud800""#])),
        ("TEXT", vec![bytes(b"\xff")]),
        ("BLOB", wrong(&["\"*\"", "7"])),
        ("BOOLEAN", wrong(&["1", "\"yes\""])),
        ("JSON", vec![text("{"), text(""), json("12345678901234567890"), json("1e400")]),
        ("DECIMAL(20,4)", wrong(&["1234567890123456", "0.1234567890123456", "\"x\"", "\"NaN\""])),
        ("NUMERIC", wrong(&["1e400", "1e-400", "true"])),
        ("DATE", wrong(&["\"007\"", "\"1e3\"", "\" 7\"", "true", "{}"])),
        ("DATE", vec![json("12345678901234567890")]),
        ("STRING", wrong(&["\"12345678901234567890\"", "\"+7\""])),
        ("", wrong(&["true", "[]", "1e400"])),
    ]
}

fn wrong(values: &[&str]) -> Vec<Value> {
    values.iter().map(|value| json(value)).collect()
}

/// Each is refused by itself, by every way to give it; one among a thousand is refused alone.
fn refuse(database: &Database, types: &[Other]) {
    let store = &database.open();
    for (at, (of, values)) in types.iter().enumerate() {
        let (table, row) = (format!("t{at}"), format!("t{at}/1"));
        assert_eq!(tell(store, [put_record(&row, [])]), ["created"]);
        for value in values {
            let given = || [("v", value.clone())];
            let verdicts = [
                tell(store, [put_record(&row, given())]),
                tell(store, [update(&row, given())]),
                tell(store, [put_record(format!("t{at}/2"), given())]),
                tell(store, [add(&table, given())]),
            ];
            let expected = [
                format!("Invalid /{row} [v]"),
                format!("Invalid /{row} [v]"),
                format!("Invalid /{table}/2 [v]"),
                format!("Invalid /{table} [v]"),
            ];
            assert_eq!(verdicts.concat(), expected, "{of} given {value:.100?}");
        }
        let many = (0..1_000).map(|number| {
            let bad = (number == 700).then(|| ("v", values[0].clone()));
            put_record(format!("{table}/{}", number + 10), bad)
        });
        for (number, verdict) in tell(store, many).into_iter().enumerate() {
            let bad = format!("Invalid /{table}/710 [v]");
            assert_eq!(verdict, if number == 700 { &*bad } else { "created" }, "{of}, at {number}");
        }
        assert_eq!(database.sql(&format!("SELECT count(*) FROM {table}")), "1000", "{of}");
    }
}

#[test]
fn what_is_no_value_is_refused_by_sqlite() {
    let types = not_of_sqlite();
    let sql = tables_with_defaults(types.iter().map(|(of, _)| *of));
    refuse(&Database::sqlite(&sql), &types);
}

#[test]
fn what_is_no_value_is_refused_by_postgres() {
    if conformance::require_postgres() {
        let types = not_of_postgres();
        let sql = tables_with_defaults(types.iter().map(|(of, _)| *of));
        refuse(&Database::postgres(&(POSTGRES_TYPES.to_owned() + &sql)), &types);
    }
}

/// As [`tables`], whose keys are given by the database.
fn tables_with_defaults<'a>(types: impl Iterator<Item = &'a str>) -> String {
    let table = |(at, of)| {
        format!("CREATE TABLE t{at} (id INTEGER PRIMARY KEY DEFAULT 5000000, w text, v {of});\n")
    };
    types.enumerate().map(table).collect()
}

/// No value, no word of it, and a value that is empty are three things.
#[test]
fn null_is_neither_absent_nor_empty() {
    let sql =
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a text DEFAULT 'd', b text, c text NOT NULL);";
    world::both(sql, |database| {
        let store = &database.open();
        let full = [("a", text("x")), ("b", text("y")), ("c", text("z"))];
        let given = |a, b| put_record("t/1", [("a", a), ("b", b), ("c", text(""))]);
        let row = |draft| {
            let verdict = tell(store, [draft]).remove(0);
            assert!(matches!(&*verdict, "created" | "done"), "{verdict}");
            record(store, "t/1")
        };
        assert_eq!(
            row(put_record("t/1", [("c", text(""))])),
            r#"{"id":1,"a":"d","b":null,"c":""}"#
        );
        assert_eq!(row(given(Value::Null, text(""))), r#"{"id":1,"a":null,"b":"","c":""}"#);
        assert_eq!(row(put_record("t/1", full.clone())), r#"{"id":1,"a":"x","b":"y","c":"z"}"#);
        assert_eq!(row(update("t/1", [])), r#"{"id":1,"a":"x","b":"y","c":"z"}"#);
        assert_eq!(
            row(update("t/1", [("a", Value::Null)])),
            r#"{"id":1,"a":null,"b":"y","c":"z"}"#
        );
        assert_eq!(
            row(put_record("t/1", [("c", text("z"))])),
            r#"{"id":1,"a":"d","b":null,"c":"z"}"#
        );
        let told = tell(
            store,
            [
                put_record("t/1", [("a", text("x"))]),
                put_record("t/2", [("c", Value::Null)]),
                update("t/1", [("c", Value::Null)]),
                add("t", [("id", text("3"))]),
                update("t/1", [("id", Value::Null)]),
            ],
        );
        let expected = ["/t/1 [c]", "/t/2 [c]", "/t/1 [c]", "/t [c]", "/t/1 [id]"];
        assert_eq!(told, expected.map(|at| format!("Invalid {at}")));
        assert_eq!(columns(store, "t/1")[2].value, Value::Null);
        assert_eq!(record(store, "t/1"), r#"{"id":1,"a":"d","b":null,"c":"z"}"#);
    });
}

const DEFAULTS: &str = "
    a integer DEFAULT (1 + 1), b text DEFAULT 'it''s', c timestamp DEFAULT CURRENT_TIMESTAMP,
    g integer GENERATED ALWAYS AS (a * 10) STORED";

/// A put leaves what it doesn't give to the defaults, in a row that is there as in a new one.
#[test]
fn a_put_gives_what_is_not_given_its_default() {
    let sqlite = format!("CREATE TABLE t (id INTEGER PRIMARY KEY,{DEFAULTS});");
    let postgres = format!(
        "CREATE SEQUENCE numbers; CREATE DOMAIN seven AS integer DEFAULT 7 NOT NULL;
         CREATE TABLE t (id integer PRIMARY KEY,{DEFAULTS}, n integer NOT NULL DEFAULT nextval('numbers'),
                         s seven, i integer GENERATED BY DEFAULT AS IDENTITY);"
    );
    world::each(&sqlite, &postgres, |database| {
        let store = &database.open();
        let value = |name: &str| {
            let found = columns(store, "t/1").into_iter().find(|field| &*field.name == name);
            found.unwrap().value
        };
        let more = !database.is_sqlite();
        assert_eq!(tell(store, [put_record("t/1", [])]), ["created"]);
        let first = value("c");
        let check = |n: &str| {
            assert_eq!((value("a"), value("b"), value("g")), (text("2"), text("it's"), text("20")));
            if more {
                assert_eq!((value("n"), value("s"), value("i")), (text(n), text("7"), text(n)));
            }
        };
        check("1");
        let others = [("a", text("5")), ("b", Value::Null), ("c", text("2000-01-01 00:00:00"))];
        assert_eq!(tell(store, [update("t/1", others)]), ["done"]);
        assert_eq!((value("a"), value("g")), (text("5"), text("50")));
        assert_eq!(tell(store, [put_record("t/1", [])]), ["done"]);
        check("2");
        assert!(matches!((first, value("c")), (Value::Text(a), Value::Text(b)) if a <= b));
        let told = tell(store, [update("t/1", [("g", text("1"))]), add("t", [("g", Value::Null)])]);
        assert_eq!(told, ["ReadOnly /t/1 [g]", "ReadOnly /t [g]"]);
    });
}

/// SQLite takes a name for a text where a default is declared, and only there.
#[test]
fn a_default_of_sqlite_may_be_a_name_or_end_in_a_comment() {
    for (default, value) in [
        ("word", "word"),
        ("\"w\"", "w"),
        ("\"it's\"\"\"", "it's\""),
        ("[a b]", "a b"),
        ("`w`", "w"),
        ("w", "w"),
        ("TRUE", "1"),
        ("\"true\"", "true"),
        ("0x10", "16"),
        ("-1", "-1"),
        ("(2 -- not 1\n)", "2"),
        ("'-- a text'", "-- a text"),
    ] {
        let sql =
            format!("CREATE TABLE t (id INTEGER PRIMARY KEY, w text, v text DEFAULT {default});");
        let database = Database::sqlite(&sql);
        let store = &database.open();
        let given = || [("w", text("another column"))];
        let told = tell(
            store,
            [
                put_record("t/1", given()),
                update("t/1", [("v", text("x"))]),
                put_record("t/1", given()),
                put_record("t/2", given()),
            ],
        );
        assert_eq!(told, ["created", "done", "done", "created"], "{default}");
        assert_eq!(database.sql("SELECT DISTINCT v FROM t"), value, "{default}");
    }
}

/// Where the database alone gives keys, a row can be made only by an addition.
#[test]
fn an_identity_is_given_by_the_database() {
    if !conformance::require_postgres() {
        return;
    }
    let database = Database::postgres(
        "CREATE TABLE always (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text);
         CREATE TABLE else_ (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, v text);
         CREATE TABLE bare (id serial PRIMARY KEY);",
    );
    let store = &database.open();
    let given = || [("v", text("a"))];
    let told = tell(
        store,
        [
            put_record("always/1", given()),
            add("always", [("id", text("7")), ("v", text("a"))]),
            add("always", given()),
            put_record("always/1", [("v", text("b"))]),
            put_record("always/1", [("id", text("1")), ("v", text("c"))]),
            update("always/1", [("id", text("2"))]),
            put_record("else_/7", given()),
            add("else_", given()),
            add("bare", []),
            add("bare", []),
        ],
    );
    let expected = [
        "ReadOnly /always/1 [id]",
        "ReadOnly /always [id]",
        "created",
        "done",
        "done",
        "Invalid /always/1 [id]",
        "created",
        "created",
        "created",
        "created",
    ];
    assert_eq!(told, expected);
    assert_eq!(listed(store, "always"), [r#"{"id":1,"v":"c"}"#]);
    assert_eq!(listed(store, "else_"), [r#"{"id":1,"v":"a"}"#, r#"{"id":7,"v":"a"}"#]);
    assert_eq!(listed(store, "bare"), [r#"{"id":1}"#, r#"{"id":2}"#]);
}

/// What a row of SQLite holds against the type of its column is told as what it is.
#[test]
fn values_that_sqlite_let_through_are_told() {
    let database = Database::sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, b BOOLEAN, j JSON, x BLOB, r REAL);
         INSERT INTO t VALUES (1, 'abc', 7, '{', 'text', 'x'), (2, x'00ff', 'yes', x'01', 5, 1e999);",
    );
    let rows = [
        r#"{"id":1,"n":"abc","b":7,"j":"{","x":"text","r":"x"}"#,
        r#"{"id":2,"n":"AP8=","b":"yes","j":"AQ==","x":5,"r":"Infinity"}"#,
    ];
    assert_eq!(listed(&database.open(), "t"), rows);
}

#[test]
fn a_row_is_found_by_values_of_its_columns() {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, v double precision, w text);";
    let postgres = "CREATE TABLE t (id integer PRIMARY KEY, v uuid, w text);";
    world::each(sql, postgres, |database| {
        let store = &database.open();
        let value =
            if database.is_sqlite() { "0.5" } else { "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11" };
        let rows = [put_record("t/1", [("v", text(value))]), put_record("t/2", [("w", text(""))])];
        assert_eq!(tell(store, rows), ["created", "created"]);
        let find = |name: &str, value: Value| {
            let filter = vec![Field { name: name.into(), value }];
            let asked = polydav_store::Page { filter, ..Default::default() };
            match world::page(store, "t", &asked) {
                Ok((rows, _)) => rows.len().to_string(),
                Err(failure) => polydav_store::kit::verdict(&Err(failure)),
            }
        };
        assert_eq!(find("v", text(value)), "1");
        assert_eq!(find("v", Value::Null), "1");
        assert_eq!(find("w", text("")), "1");
        assert_eq!(find("v", text("x")), "Invalid /t [v]");
        assert_eq!(find("w", json("7")), "Invalid /t [w]");
        assert_eq!(find("x", text("")), "Invalid /t [x]");
        assert_eq!(
            store.read(&path("t/1")).unwrap().entry.length,
            content(store, &path("t/1")).len() as u64
        );
    });
}

/// As JSON they look the same; as columns they don't.
#[test]
fn the_null_of_json_is_a_value() {
    if !conformance::require_postgres() {
        return;
    }
    let database = Database::postgres("CREATE TABLE t (k integer PRIMARY KEY, a json, b jsonb);");
    let store = &database.open();
    let given = || [("a", text("null")), ("b", text(" null "))];
    assert_eq!(tell(store, [put_record("t/1", given()), put_record("t/2", [])]), ["created"; 2]);
    for (k, value) in [(1, text("null")), (2, Value::Null)] {
        assert_eq!(record(store, format!("t/{k}")), format!(r#"{{"k":{k},"a":null,"b":null}}"#));
        let columns = columns(store, format!("t/{k}"));
        assert_eq!((&columns[1].value, &columns[2].value), (&value, &value));
    }
    assert_eq!(database.sql("SELECT k FROM t WHERE a IS NULL AND b IS NULL"), "2");
}
