"""External programs: one file each, holding what builds its command lines and reads its output, over one runner."""
