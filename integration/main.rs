//! Tests of the library without privileges: no socket, no namespace, no clock.

mod sim;
