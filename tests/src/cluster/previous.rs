//! The release before: its images in the cluster, its chart on disk.
