//! JSON for people: a line and an indentation for each value.
//!
//! Owns the layout only. Called by `buoy status --json`. It cannot fail; what is no JSON comes out as some
//! other text. The library could write the same, with a second copy of its code for every type that there is.

/// The same JSON, as `serde_json::to_string_pretty` would have written it.
pub(super) fn indented(json: &str) -> String {
    let mut shown = String::with_capacity(2 * json.len());
    let (mut depth, mut in_string, mut escaped, mut opened) = (0_usize, false, false, false);
    for letter in json.chars() {
        let closes = !in_string && matches!(letter, '}' | ']');
        if closes {
            depth = depth.saturating_sub(1);
        }
        // An empty list or object stays as it is.
        if opened != closes && (opened || closes) {
            next_line(&mut shown, depth);
        }
        opened = !in_string && matches!(letter, '{' | '[');
        if opened {
            depth += 1;
        }
        shown.push(letter);
        match letter {
            ',' if !in_string => next_line(&mut shown, depth),
            ':' if !in_string => shown.push(' '),
            '"' if !escaped => in_string = !in_string,
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
    }
    shown
}

fn next_line(shown: &mut String, depth: usize) {
    shown.push('\n');
    shown.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn it_is_laid_out_as_the_library_does_it() {
        let values: [Value; 8] = [
            json!({}),
            json!([]),
            json!(7),
            json!("a, {b}: [c]"),
            json!([[], {}, [1], [[2, 3]]]),
            json!({ "a": {}, "b": [], "c": null, "d": -1.5, "e": { "f": [true, false] } }),
            json!(["\"", "\\", "\\\"", "{\"a\":[", "\n\u{1}", "ü, ß: 漢"]),
            json!({ "\"{[": "]}\\", "x": [{ "y": 1, "z": [] }, {}] }),
        ];
        for value in values {
            let expected = serde_json::to_string_pretty(&value).unwrap();
            assert_eq!(indented(&value.to_string()), expected);
        }
    }
}
