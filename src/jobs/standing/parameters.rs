//! What may be free in a job that is approved without a look: files of parameters.
//!
//! Pure. A file of parameters is data in a format that nothing executes. Where its owner gives a
//! schema it is JSON that fits; read strictly, since two readers of one text may otherwise see two
//! values. Patterns in a schema are matched in linear time, and it refers to no other document.

use std::fmt;

use boon::{Compiler, Draft, SchemaIndex, Schemas, UrlLoader};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::model::{DatasitePath, shown};

/// The longest file of parameters.
pub const PARAMETER_BYTES_MAX: u64 = 64 << 10; // parameters, not data

/// Formats that are read and not executed. Pickles and the like are not among them.
const SUFFIXES: [&str; 8] = ["json", "csv", "tsv", "txt", "yaml", "yml", "toml", "ini"];

/// Names in these formats that decide what is installed or run.
#[rustfmt::skip]
const STEERING: [&str; 14] = [
    "pyproject.toml", "uv.toml", "requirements.txt", "constraints.txt", "pip.ini", "poetry.toml",
    "package.json", "deno.json", "tsconfig.json", "project.toml", "manifest.toml", "tox.ini",
    "pytest.ini", "mypy.ini",
];

/// Up to here every reader of JSON sees the same number.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// How much of what is wrong is told.
const REASON_CHARS_MAX: usize = 300;

/// A schema that can be asked.
pub struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schema")
    }
}

impl Schema {
    /// Reads a schema (2020-12 unless it names another draft).
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(schema: &Value) -> Result<Self, String> {
        const PLACE: &str = "syft:///schema.json";
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.use_loader(Box::new(NoLoader));
        compiler.set_default_draft(Draft::V2020_12);
        compiler.enable_format_assertions();
        compiler.add_resource(PLACE, schema.clone()).map_err(|error| short(&error))?;
        let index = compiler.compile(PLACE, &mut schemas).map_err(|error| short(&error))?;
        Ok(Self { schemas, index })
    }

    /// Checks a value.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        self.schemas.validate(value, self.index).map_err(|error| short(&error))
    }
}

/// A schema refers to nothing outside of itself.
struct NoLoader;

impl UrlLoader for NoLoader {
    fn load(&self, url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Err(format!("it refers to `{url}`, and may refer to nothing outside of itself").into())
    }
}

/// Reads the name of a parameter file: below `code/`, with or without saying so.
///
/// # Errors
/// Why it can be none, in words.
pub fn parameter_file(text: &str) -> Result<DatasitePath, String> {
    let text = if text.starts_with("code/") { text.to_owned() } else { format!("code/{text}") };
    let path = DatasitePath::parse(&text).map_err(|error| error.to_string())?;
    let name = path.file_name().to_lowercase();
    let suffix = name.rsplit_once('.').map_or("", |(_, suffix)| suffix);
    if !SUFFIXES.contains(&suffix) {
        return Err(format!(
            "`{path}` could hold code; parameters are in {}",
            SUFFIXES.map(|suffix| format!(".{suffix}")).join(", ")
        ));
    }
    if STEERING.contains(&name.as_str()) {
        return Err(format!("`{path}` decides what is installed"));
    }
    Ok(path)
}

/// Checks the content of a parameter file.
///
/// # Errors
/// Why it does not fit, in words.
pub(super) fn check(content: &[u8], schema: Option<&Schema>) -> Result<(), String> {
    let Some(schema) = schema else { return Ok(()) };
    let value = strict_json(content)?;
    if !is_exact(&value) {
        return Err("a number is so large that not all programs read the same one".to_owned());
    }
    schema.check(&value)
}

/// True if no number is larger than what every reader understands alike.
fn is_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(|number| number.abs() < WHOLE_MAX),
        Value::Array(items) => items.iter().all(is_exact),
        Value::Object(entries) => entries.values().all(is_exact),
        _ => true,
    }
}

/// Reads JSON of which there are no two ways to understand it: no key twice, no number that is not
/// finite, nothing after it.
///
/// # Errors
/// What is wrong, in words.
pub fn strict_json(content: &[u8]) -> Result<Value, String> {
    let mut reader = serde_json::Deserializer::from_slice(content);
    let value = Strict.deserialize(&mut reader).map_err(|error| short(&error))?;
    reader.end().map_err(|error| short(&error))?;
    Ok(value)
}

fn short(error: &dyn fmt::Display) -> String {
    shown::safe_line(&error.to_string()).chars().take(REASON_CHARS_MAX).collect()
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| de::Error::custom("a number is not finite"))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if all.contains_key(&key) {
                return Err(de::Error::custom(format_args!("the key `{key}` stands there twice")));
            }
            let value = entries.next_value_seed(Self)?;
            all.insert(key, value);
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_nothing_executes_is_a_parameter_file() {
        #[rustfmt::skip]
        let cases = [
            ("params.json",         Some("code/params.json")),
            ("code/params.json",    Some("code/params.json")),
            ("settings/a.YAML",     Some("code/settings/a.YAML")),
            ("main.py",             None),
            ("main",                None),
            ("model.pkl",           None),
            ("x.json.py",           None),
            ("pyproject.toml",      None),
            ("sub/PyProject.toml",  None),
            ("requirements.txt",    None),
            ("sub/Package.json",    None),
            ("../config.yaml",      None),
            ("/etc/x.json",         None),
            ("../run.sh",           None),
            ("",                    None),
        ];
        for (text, expected) in cases {
            let got = parameter_file(text).ok();
            assert_eq!(got.as_ref().map(DatasitePath::as_str), expected, "{text}");
        }
    }

    #[test]
    fn json_that_can_be_read_in_two_ways_is_not_read() {
        assert_eq!(
            strict_json(b" {\"a\": [1, -2, 2.5, null, true, \"x\"]}\n").unwrap()["a"][1],
            -2
        );
        #[rustfmt::skip]
        let cases: [(&str, &[u8]); 9] = [
            ("a key twice",         b"{\"a\": 1, \"a\": 2}"),
            ("written otherwise",   b"{\"a\": 1, \"\\u0061\": 2}"),
            ("deeper",              b"[{\"b\": {\"a\": 1, \"a\": 2}}]"),
            ("something after it",  b"{} {}"),
            ("no number",           b"[NaN]"),
            ("a number too large",  b"[1e999]"),
            ("a byte order mark",   b"\xef\xbb\xbf{}"),
            ("no text",             b"\"\xff\""),
            ("nothing",             b""),
        ];
        for (what, text) in cases {
            assert!(strict_json(text).is_err(), "{what}");
        }
        assert!(strict_json("[".repeat(100_000).as_bytes()).is_err(), "without bound");
    }

    #[test]
    fn a_schema_says_what_fits() {
        let schema = json!({
            "type": "object",
            "properties": {
                "year": { "type": "integer", "minimum": 2000, "maximum": 2100 },
                "from": { "type": "string", "format": "date" },
                "town": { "type": "string", "pattern": "^[A-Z][a-z]{1,20}$" },
            },
            "required": ["year"],
            "additionalProperties": false,
        });
        let schema = Schema::new(&schema).unwrap();
        #[rustfmt::skip]
        let cases: [(&str, bool); 7] = [
            (r#"{"year": 2024, "town": "Aghern"}"#,      true),
            (r#"{"year": 1999}"#,                        false),
            (r#"{"year": 2024, "town": "x'; DROP"}"#,    false),
            (r#"{"year": 2024, "from": "tomorrow"}"#,    false),
            (r#"{"year": 2024, "rows": "all"}"#,         false),
            (r#"{}"#,                                    false),
            (r#"{"year": 2024, "year": 2024}"#,          false),
        ];
        for (text, fits) in cases {
            assert_eq!(check(text.as_bytes(), Some(&schema)).is_ok(), fits, "{text}");
        }
        assert!(check(b"\xff anything", None).is_ok());
        let large = Schema::new(&json!({ "const": 1e20 })).unwrap();
        // It is 1e20 to us, and one more to Python.
        assert!(check(b"100000000000000000001", Some(&large)).is_err());
    }

    #[test]
    fn a_schema_refers_to_nothing_and_is_one() {
        for bad in [
            json!({ "type": "objekt" }),
            json!({ "$ref": "file:///etc/passwd" }),
            json!({ "$ref": "https://example.org/schema.json" }),
            json!({ "pattern": "(" }),
            json!(7),
        ] {
            assert!(Schema::new(&bad).is_err(), "{bad}");
        }
        let slow = Schema::new(&json!({ "pattern": "^(a+)+$" })).unwrap();
        let text = format!("{}!", "a".repeat(50_000));
        assert!(slow.check(&Value::String(text)).is_err(), "and says so at once");
    }
}
