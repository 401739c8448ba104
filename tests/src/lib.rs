//! Tests of the framework; see the folders beside this one.
