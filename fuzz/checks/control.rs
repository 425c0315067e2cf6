//! The control socket: a request is understood whole or refused in words that a terminal can bear.
//!
//! A seed is one line as a client sends it.

use buoyd::control::server::parse_request;

/// Characters of the longest refusal: what the client sent is quoted at most in part.
const LONGEST_REFUSAL: usize = 500;

/// One line. True when it was understood.
pub fn check(line: &[u8]) -> bool {
    match parse_request(line) {
        Ok(request) => {
            let again = serde_json::to_vec(&request).expect("a request can be written");
            assert_eq!(
                parse_request(&again).as_ref(),
                Ok(&request),
                "{} does not mean what it says",
                String::from_utf8_lossy(&again)
            );
            true
        }
        Err(message) => {
            assert!(!message.is_empty(), "a refusal without words");
            assert!(
                !message.chars().any(char::is_control),
                "{message:?} would play with a terminal"
            );
            assert!(
                message.chars().count() <= LONGEST_REFUSAL,
                "{message:?} is too long"
            );
            false
        }
    }
}
