"""Studies: many small trainings or measurements that answer one question each; every study is a folder, and all use one runner."""
