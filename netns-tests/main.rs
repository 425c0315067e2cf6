//! Tests in network namespaces: the real kernel, and faults from outside. They need root and say so.

#[cfg(test)]
mod demo;
#[cfg(test)]
mod lab;
