//! A story for each way in which a promise can be broken.
