/* Loaded into the daemon by `tests/kernel/run broken`: a disk that promises and does not keep. */

int fsync(int file)
{
	(void)file;
	return 0;
}

int fdatasync(int file)
{
	(void)file;
	return 0;
}
