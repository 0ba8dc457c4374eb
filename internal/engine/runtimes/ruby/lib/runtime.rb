# frozen_string_literal: true

# Starts a Ruby function: what AWS runs as /var/runtime/lib/runtime.rb.

require_relative 'mayfly_runtime/loop'

# way opens the private way to the platform, if there is one, and waits on it to be
# given a function.
def way
  control = ENV.delete('MAYFLY_ZYGOTE')
  descriptor = ENV.delete('MAYFLY_LINK')
  return nil unless control || descriptor

  require_relative 'mayfly_runtime/link'
  if control
    require_relative 'mayfly_runtime/zygote'
    descriptor = MayflyRuntime::Zygote.serve(Integer(control)) # returns in what it forks
  end
  link = MayflyRuntime::Link.new(Integer(descriptor))
  unless ENV.key?('_HANDLER')
    require_relative 'mayfly_runtime/blank'
    MayflyRuntime::Blank.become(link)
  end
  link
end

MayflyRuntime::Loop.run(way)
