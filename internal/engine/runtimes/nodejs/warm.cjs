// A handler that nobody needs: loading and calling it has Node.js compile what
// loading and calling a function's takes.
exports.h = async (event) => event;
